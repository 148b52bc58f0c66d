"""Words for autoencoders: tied weights, and the latent layer of a variational one."""

from __future__ import annotations

from hepnn.layers import tied, variational


class Representation:
    """The words; tied weights are refused in fixed point."""

    TiedDense = staticmethod(tied.TiedDense)
    TiedConv2D = staticmethod(tied.TiedConv2D)
    TransposedDense = staticmethod(tied.TransposedDense)
    TransposedConv2D = staticmethod(tied.TransposedConv2D)
    GaussianSample = staticmethod(variational.GaussianSample)
