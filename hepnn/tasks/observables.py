"""What made and real events are compared in: features themselves, and of images a few sums.

Features are compared as they were before a logarithm or asinh was taken of them.

An image of deposits is too many numbers to compare one by one, and a shift by a pixel changes all
of them. Of every image, with energies E of the pixels (negative ones are none):

`energy`
    the sum;
`centroid_row`, `centroid_column`, `width_row`, `width_column`
    mean and standard deviation of the pixels' numbers, weighted with E;
`dispersion`
    sqrt(sum E²) / sum E: 1 if all is in one pixel (as the pT dispersion, CMS-PAS-JME-13-002);
`active`
    pixels above the threshold;
`centroid_channel`, `width_channel`
    the same over the channels, if there are several: the depth, where channels are layers.

An image without energy has zero of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hepnn.errors import RecipeError
from hepnn.tasks.scaling import Scaling

#: Exponents beyond this are no quantities any more.
LARGEST_EXPONENT = 80.0

#: Quantities that are whole numbers but for this part of their spread, in all real events, are.
WHOLE = 1e-3


@dataclass(frozen=True)
class Observables:
    """What events are compared in.

    Attributes
    ----------
    names, units : tuple of str
        Of each observable.
    real, made : np.ndarray
        `(events, observables)` float64.
    spread : np.ndarray
        Standard deviation of the real events `(observables,)`, 1 of what does not vary.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    real: np.ndarray
    made: np.ndarray
    spread: np.ndarray

    def standardized(self) -> tuple[np.ndarray, np.ndarray]:
        """Return real and made in standard deviations of the real ones."""
        middle = self.real.mean(axis=0)
        return (self.real - middle) / self.spread, (self.made - middle) / self.spread


def compare(real_z: np.ndarray, made_z: np.ndarray, scaling: Scaling) -> Observables:
    """Return the observables of real and of made events.

    A feature that is a whole number in all real events is rounded in those that were made: what
    is counted is counted.

    Parameters
    ----------
    real_z, made_z
        z of features `(events, features)`, or of images `(events, height, width, channels)`.
    scaling
        Of the features, or of an image's pixels.

    Raises
    ------
    RecipeError
        If events are neither.
    """
    if real_z.ndim not in (2, 4):
        shape = real_z.shape[1:]
        raise RecipeError(f"task generate takes features or images, no events of {shape}")
    real, made = (quantities(z, scaling) for z in (real_z, made_z))
    names, units = scaling.names, tuple(_plain(scaling))
    events = tuple(range(real.ndim - 1))
    off = np.abs(real - np.round(real)).max(axis=events)
    counted = off < WHOLE * real.std(axis=events)
    made = np.where(counted, np.round(made), made)
    if real.ndim == 4:
        positive = real[real > 0]
        threshold = positive.min() / 2 if len(positive) else 0.0
        real, made = of_images(real, threshold), of_images(made, threshold)
        depth = ("centroid_channel", "width_channel") if real.shape[1] > 7 else ()
        names = (*_OF_IMAGES, *depth)
        units = (units[0], *["1"] * (len(names) - 1))
    spread = real.std(axis=0)
    return Observables(names, units, real, made, np.where(spread > 0, spread, 1.0))


def quantities(z: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Return the data's quantities, float64 of the shape of z, before any transform."""
    scaled = z.astype(np.float64) * 2.0**scaling.exponent + scaling.offset
    small = np.clip(scaled, -LARGEST_EXPONENT, LARGEST_EXPONENT)
    transforms = np.array(scaling.transforms or ("none",))
    logarithmic, inverse = transforms == "log", transforms == "asinh"
    return np.select([logarithmic, inverse], [np.exp(small), np.sinh(small)], scaled)


def of_images(images: np.ndarray, threshold: float) -> np.ndarray:
    """Return the observables `(events, 7)` of images, `(events, 9)` if they have channels.

    Parameters
    ----------
    images
        `(events, height, width, channels)`.
    threshold
        Of an active pixel.
    """
    energies = np.maximum(images, 0.0)
    total = energies.sum(axis=(1, 2, 3))
    share = energies / np.where(total > 0, total, 1.0)[:, None, None, None]
    rows, columns, channels = (_moments(share.sum(axis=axes)) for axes in ((2, 3), (1, 3), (1, 2)))
    found = [
        total,
        rows[0],
        columns[0],
        rows[1],
        columns[1],
        np.sqrt((share**2).sum(axis=(1, 2, 3))),
        (images > threshold).sum(axis=(1, 2, 3)),
    ]
    if images.shape[-1] > 1:
        found += channels
    return np.stack(found, axis=1)


_OF_IMAGES = (
    "energy",
    "centroid_row",
    "centroid_column",
    "width_row",
    "width_column",
    "dispersion",
    "active",
)


def _moments(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the numbers that have shares `(events, numbers)`."""
    numbers = np.arange(share.shape[1])
    mean = share @ numbers
    return mean, np.sqrt(np.maximum(share @ numbers**2 - mean**2, 0.0))


def _plain(scaling: Scaling) -> list[str]:
    """Return the units before any transform."""
    units = []
    for number, unit in enumerate(scaling.units):
        transform = scaling.transforms[number] if scaling.transforms else "none"
        taken = unit.startswith(f"{transform}(")
        units.append(unit[len(transform) + 1 : -1] if taken else unit)
    return units
