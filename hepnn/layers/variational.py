"""The latent layer of a variational autoencoder.

D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", ICLR 2014 (arXiv:1312.6114).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="hepnn")
class GaussianSample(keras.layers.Layer):
    """A draw from `N(mean, exp(log_variance))`, with its divergence from `N(0, 1)` as a loss.

    `z = mean + exp(log_variance / 2) * epsilon` with normal `epsilon` in training (section 2.4
    of the paper), the mean itself at inference. The Kullback-Leibler divergence is analytic
    (appendix B),

        KL = -1/2 sum_j (1 + log_variance_j - mean_j**2 - exp(log_variance_j)),

    and what the loss gets is `beta * KL / features`, averaged over the events of a batch, which
    count alike. Beside a mean squared error over as many features the whole loss is, an event,

        (|x - x'|**2 + beta * KL) / features:

    for `beta = 2 s**2` the negative evidence lower bound (ELBO) of a decoder `N(x', s**2)`, a
    feature, in units of `1 / (2 s**2)` and up to a constant; any other is the beta-VAE of
    I. Higgins et al., ICLR 2017. The metric `kl` is `KL / features`.

    Parameters
    ----------
    features
        Numbers of an event that are reconstructed.
    beta
        Weight of the divergence.
    seed
        Of the draws; from Keras's own without.
    """

    def __init__(
        self, features: int, beta: float = 1.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.beta = beta
        self.seed = seed
        self.draws = keras.random.SeedGenerator(seed)
        self.divergence = keras.metrics.Mean(name="kl")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return a draw, or the mean, `(batch, latent)` of `[mean, log_variance]`."""
        mean, log_variance = inputs
        divergence = divergence_of(mean, log_variance) / self.features
        self.add_loss(self.beta * ops.mean(divergence))
        self.divergence.update_state(divergence)
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.draws)
        return mean + ops.exp(log_variance / 2) * noise

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the mean."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        own = {"features": self.features, "beta": self.beta, "seed": self.seed}
        return {**super().get_config(), **own}


def divergence_of(mean: Any, log_variance: Any) -> Any:
    """Return the Kullback-Leibler divergence `(batch,)` of `N(mean, variance)` from `N(0, 1)`."""
    terms = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
    return -0.5 * ops.sum(terms, axis=-1)
