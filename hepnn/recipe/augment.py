"""Augmentation: other events of the same class, made of the training events.

Images: C. Shorten, T. M. Khoshgoftaar, "A survey on image data augmentation for deep learning",
J. Big Data 6 (2019) 60. Jets: B. M. Dillon et al., "Symmetries, safety, and self-supervision"
(JetCLR), SciPost Phys. 12 (2022) 188, arXiv:2108.04253.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from hepnn.declarations import Finite


class Flip(Finite):
    """An image is mirrored, or not, with equal chance for each axis that is named."""

    horizontal: bool = True
    vertical: bool = False

    @model_validator(mode="after")
    def _some(self) -> Flip:
        if not (self.horizontal or self.vertical):
            raise ValueError("give horizontal or vertical")
        return self


class Rotation(Finite):
    """An image is turned around its middle by an angle uniform in -`degrees` to `degrees`.

    `x'(r) = x(R r)`, interpolated bilinearly; beyond its edge an image goes on as the edge.
    """

    degrees: float = Field(gt=0, le=180)


class Crop(Finite):
    """A window of an image, of a share of its area uniform in `area` to 1, fills the image.

    The window has the image's form and lies anywhere inside (C. Szegedy et al., CVPR 2015,
    arXiv:1409.4842).
    """

    area: float = Field(gt=0, lt=1)


class Shift(Finite):
    """An image is moved by whole pixels, uniform in -`pixels` to `pixels` along both axes."""

    pixels: int = Field(ge=1)


class Colour(Finite):
    """Channels change against one another: `x' = b_c (g + s (x - g))`, g the channels' mean.

    s is uniform in 1 -+ `saturation`, each channel's b_c in 1 -+ `gain` (A. G. Howard,
    arXiv:1312.5402).
    """

    saturation: float = Field(0.0, ge=0, le=1)
    gain: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _some(self) -> Colour:
        if not (self.saturation or self.gain):
            raise ValueError("give saturation or gain")
        return self


class Contrast(Finite):
    """`x' = m + c (x - m)`, m each channel's mean over the image, c uniform in 1 -+ `amount`."""

    amount: float = Field(gt=0, le=1)


class JetRotation(Finite):
    """A jet is turned around its axis by an angle uniform in -`degrees` to `degrees`.

    By default in the plane of pseudorapidity and azimuth around the pT-weighted centre: every
    pT and every distance stays exactly, the mass as far as `cosh x - cos y` is
    `(x^2 + y^2) / 2` (arXiv:2108.04253). With `space`, the momenta of massless
    constituents are turned around the jet's in three dimensions, boosted along the beam to
    where the jet is central: pT and mass of the jet and all angles stay exactly, and the pT of
    the constituents move.
    """

    degrees: float = Field(180.0, gt=0, le=180)
    space: bool = False


class JetReflection(Finite):
    """The azimuth of a jet's constituents around its axis is mirrored, with a chance of a half."""


class Smearing(Finite):
    """Soft constituents move: `eta' ~ N(eta, scale / pT)`, phi alike; pT stays.

    With `pT` of at least `scale` in the denominator (arXiv:2108.04253, with a scale of
    0.1 GeV).
    """

    scale: float = Field(0.1, gt=0, description="in the unit of pT")


class Splitting(Finite):
    """A constituent becomes two in the same direction: `pT_a + pT_b = pT` exactly.

    Each with a chance of `rate`, as long as the list has room; the harder one's share is
    uniform in 1/2 to 1 (arXiv:2108.04253). The list is put in falling pT again.
    """

    rate: float = Field(0.1, gt=0, le=1)


class Augment(Finite):
    """Augmentation of the training batches, in this order (`hepnn.training.alter`).

    What a network reconstructs, and a mask of classes, is changed alike.
    """

    flip: Flip | None = None
    rotation: Rotation | None = None
    crop: Crop | None = None
    shift: Shift | None = None
    colour: Colour | None = None
    contrast: Contrast | None = None
    jet_rotation: JetRotation | None = None
    jet_reflection: JetReflection | None = None
    smearing: Smearing | None = None
    splitting: Splitting | None = None
