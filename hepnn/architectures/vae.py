"""Variational autoencoder.

D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014 (arXiv:1312.6114): the
encoder gives mean and variance of a normal distribution of codes, one is drawn, and the decoder
makes the event of it; what keeps the codes near N(0, 1) is their Kullback-Leibler divergence.
With `beta` other than one it is the beta-VAE of I. Higgins et al., ICLR 2017. The defaults are
the paper's on MNIST: one layer of 500 units (section 5; tanh, appendix C) on either side, 20
codes (figure 2), 815,824 parameters on 784 pixels.

The loss is `(|x - x'|**2 + beta KL) / features` (`hepnn.layers.variational`): the ELBO of a decoder
of variance `beta / 2`. The log-variance starts at 0. At inference the code is its mean, `z_mean`:
`part: z_mean` of a target ships the encoder alone, which is what a trigger needs of it
(E. Govorkova et al., Nature Mach. Intell. 4 (2022) 154, arXiv:2108.03986).

Differences from the paper: the decoder is normal also on images, where the paper's is Bernoulli.

Shapes: as of `autoencoder`; `latent` is `(batch, latent)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.autoencoder import check, decode, encode
from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "vae": Narrow((8,), (8,), {"hidden": [6], "latent": 2, "activation": "relu"}),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    kind: Literal["dense", "convolutional"] = "dense",
    hidden: Sequence[int] = (500,),
    latent: int = 20,
    kernel: int = 3,
    activation: str = "tanh",
    beta: float = 1.0,
    upsampling: Literal["transposed", "nearest"] = "transposed",
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape, output_shape
        Shape of one event, twice.
    nn
        Vocabulary.
    kind, hidden, kernel, activation, upsampling
        As of `autoencoder`.
    latent
        Numbers of the code.
    beta
        Weight of the divergence.

    Raises
    ------
    RecipeError
        If the shapes are not the same, or do not fit the kind.
    """
    if kind not in ("dense", "convolutional"):
        raise RecipeError(f"vae has no kind {kind!r}; known: dense, convolutional")
    check(input_shape, output_shape, kind, hidden, "vae")
    inputs = nn.Input(input_shape, name="inputs")
    x, shape, _ = encode(inputs, nn, kind, hidden, kernel, activation)
    mean = nn.Dense(latent, name="z_mean")(x)
    log_variance = nn.Dense(latent, kernel_initializer="zeros", name="z_log_variance")(x)
    sample = nn.GaussianSample(prod(input_shape), beta, name="latent")
    x = sample([mean, log_variance])
    outputs = decode(x, nn, kind, hidden, kernel, activation, upsampling, shape, input_shape)
    return nn.Model(inputs, outputs, name="vae")
