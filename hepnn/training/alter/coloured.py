"""Coloured noise: power `1 / f^alpha` at the frequency f, along the axes that have one.

White noise, its Fourier transform multiplied by `f^(-alpha/2)`, and back (J. Timmer, M. Koenig,
Astron. Astrophys. 300 (1995) 707). The component of f = 0 is left out, and the factors are
divided by their root mean square, so that the variance is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hepnn.recipe.noise import ColouredNoise
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.gaussian import added
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: ColouredNoise, inputs: Inputs, draws: Draws) -> Batch:
    """Return inputs with noise: sequences `(batch, length, features)`, or images."""
    axes = 2 if inputs.kind == "image" else 1
    noise = coloured(draws, batch.x, axes, settings.alpha)
    return batch._replace(x=added(batch.x, settings.sigma * noise, inputs))


def coloured(draws: Draws, x: Any, axes: int, alpha: float) -> Any:
    """Return noise in the shape of x, with a spectrum over the axes behind the first."""
    sides = [int(side) for side in x.shape[1 : 1 + axes]]
    factor = tf.constant(factors(sides, alpha), tf.complex64)
    forward, back = (
        (tf.signal.rfft2d, tf.signal.irfft2d) if axes == 2 else (tf.signal.rfft, tf.signal.irfft)
    )
    # TensorFlow transforms along the last axes.
    to_end = [0, axes + 1, *range(1, axes + 1)]
    back_again = [0, *range(2, axes + 2), 1]
    white = tf.transpose(draws.normal(tf.shape(x)), to_end)
    made = back(forward(white) * factor, fft_length=sides)
    return tf.transpose(made, back_again)


def factors(sides: list[int], alpha: float) -> np.ndarray:
    """Return what each component of a real Fourier transform over `sides` is multiplied by."""
    frequency = np.meshgrid(
        *(np.fft.fftfreq(side) for side in sides[:-1]), np.fft.rfftfreq(sides[-1]), indexing="ij"
    )
    size = np.sqrt(sum(one**2 for one in frequency))
    with np.errstate(divide="ignore"):
        factor = np.where(size > 0, size ** (-alpha / 2), 0.0)
    # A component stands for itself and its conjugate, but for the first and an even side's last.
    twice = np.full(factor.shape, 2.0)
    twice[..., 0] = 1.0
    if sides[-1] % 2 == 0:
        twice[..., -1] = 1.0
    power = np.sum(twice * factor**2) / np.prod(sides)
    return factor / np.sqrt(power)
