"""Noise on what is trained on: a network that cannot rely on single numbers learns what lasts."""

from __future__ import annotations

from pydantic import Field, model_validator

from hepnn.declarations import Finite


class LabelNoise(Finite):
    """A label is another class, each with `rate / (classes - 1)`, and else its own.

    Drawn anew for every batch (L. Xie et al., "DisturbLabel", CVPR 2016, arXiv:1605.00055), or
    with `fixed` once an event, so that the data themselves are wrong (D. Angluin, P. Laird,
    "Learning from noisy examples", Machine Learning 2 (1988) 343).
    """

    rate: float = Field(gt=0, lt=1)
    fixed: bool = False


class WhiteNoise(Finite):
    """`z' = z + sigma n`, `n ~ N(0, 1)` for each number by itself, z the scaled input.

    C. M. Bishop, "Training with noise is equivalent to Tikhonov regularization", Neural
    Computation 7 (1995) 108.
    """

    sigma: float = Field(gt=0, description="in units of the scaled input")


class ColouredNoise(Finite):
    """`z' = z + sigma n`, the power of n at the frequency f proportional to `1 / f^alpha`.

    Along a sequence, or over both axes of an image with `f = |f|`; its variance is one and its
    mean over the axes zero. `alpha` is 0 for white, 1 for pink, 2 for red noise (J. Timmer,
    M. Koenig, "On generating power law noise", Astron. Astrophys. 300 (1995) 707).
    """

    sigma: float = Field(gt=0, description="in units of the scaled input")
    alpha: float = Field(1.0, ge=0, le=4)


class Occlusion(Finite):
    """Features, pixels, objects or tokens that are hidden.

    With `rate`, each by itself (P. Vincent et al., ICML 2008): a feature or pixel
    becomes the middle of its scaling, an object or token of a sequence padding. With `size`,
    `patches` squares of an image, whose centres lie anywhere (T. DeVries, G. W. Taylor,
    "Cutout", arXiv:1708.04552).
    """

    rate: float | None = Field(None, gt=0, lt=1)
    size: int | None = Field(None, ge=1, description="pixels, of a square's side")
    patches: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _one_way(self) -> Occlusion:
        if (self.rate is None) == (self.size is None):
            raise ValueError("give either rate or size")
        return self


class Noise(Finite):
    """Noise on the training batches, in this order (`hepnn.training.alter`).

    What a network reconstructs stays without it.
    """

    labels: LabelNoise | None = None
    gaussian: WhiteNoise | None = None
    coloured: ColouredNoise | None = None
    occlusion: Occlusion | None = None
