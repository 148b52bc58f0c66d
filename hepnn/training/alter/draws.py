"""Random numbers that follow from a seed, a step and a purpose alone.

Philox 4x32 with ten rounds, a counter-based generator (J. K. Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011): there is no state, so that a training that was resumed
draws what it would have drawn. Key and counter are given outright, for only then does TensorFlow
give the same numbers inside and outside XLA.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

#: TensorFlow's number of the algorithm.
_PHILOX = 1

#: Draws that one step can make.
_A_STEP = 256


class Draws:
    """The random numbers of one step.

    Parameters
    ----------
    seed
        Of the fit and the purpose.
    step
        Number of the step, a tensor.
    """

    def __init__(self, seed: tuple[int, ...], step: Any) -> None:
        words = np.random.SeedSequence(seed).generate_state(1, np.uint64)
        self._key = tf.constant(words, tf.uint64)
        self._step = tf.cast(step, tf.uint64) * tf.constant(_A_STEP, tf.uint64)
        self._drawn = 0

    def bits(self, shape: Any) -> Any:
        """Return uniform whole numbers, uint32."""
        block = self._step + tf.constant(self._drawn, tf.uint64)
        self._drawn += 1
        # The generator counts numbers in the first word; draws differ in the second.
        counter = tf.stack([tf.constant(0, tf.uint64), block])
        return tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=shape, key=self._key, counter=counter, alg=_PHILOX, dtype=tf.uint32
        )

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Any:
        """Return numbers in (low, high), float32."""
        # The middles of 2^23 bins: neither end is among them.
        whole = tf.cast(
            tf.bitwise.right_shift(self.bits(shape), tf.constant(9, tf.uint32)), tf.int32
        )
        unit = (tf.cast(whole, tf.float32) + 0.5) * 2.0**-23
        return low + (high - low) * unit

    def normal(self, shape: Any) -> Any:
        """Return normal numbers of mean 0 and variance 1, float32."""
        return float(np.sqrt(2.0)) * tf.math.erfinv(self.uniform(shape, -1.0, 1.0))

    def happens(self, shape: Any, rate: float) -> Any:
        """Return what happens with a chance of `rate`, bool."""
        return self.uniform(shape) < rate
