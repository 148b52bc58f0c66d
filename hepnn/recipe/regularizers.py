"""What keeps a network simple and its steps small while it is trained."""

from __future__ import annotations

from pydantic import Field, model_validator

from hepnn.declarations import Finite


class Regularize(Finite):
    """Penalties on the kernels w of all layers, added to the loss.

    l1 sum |w| + l2 sum w^2 + l3 sum |w|^3: R. Tibshirani, J. R. Stat. Soc. B 58 (1996) 267, for
    the first; A. Hoerl, R. Kennard, Technometrics 12 (1970) 55, for the second; both together,
    the elastic net, H. Zou, T. Hastie, J. R. Stat. Soc. B 67 (2005) 301. The third power presses
    large weights harder and small ones less. Biases, normalizations and bit widths are left out.
    """

    l1: float = Field(0.0, ge=0, description="times sum |w|")
    l2: float = Field(0.0, ge=0, description="times sum w^2")
    l3: float = Field(0.0, ge=0, description="times sum |w|^3")

    @property
    def wanted(self) -> bool:
        """Return whether there is any penalty."""
        return bool(self.l1 or self.l2 or self.l3)


class Dropout(Finite):
    """Numbers that are set to zero at random in training, others divided by 1 - rate.

    N. Srivastava et al., JMLR 15 (2014) 1929, section 4. Of every architecture, besides what its
    own hyper-parameters say: `inputs` behind the scaling of the inputs, of which the mask bit of
    a sequence is one; `hidden` before each
    dense layer but the first; `spatial`, whole channels, before each convolution but the first
    (J. Tompson et al., arXiv:1411.4280, section 3.2). What is saved has no such layers.
    """

    inputs: float = Field(0.0, ge=0, lt=1)
    hidden: float = Field(0.0, ge=0, lt=1)
    spatial: float = Field(0.0, ge=0, lt=1)

    @property
    def wanted(self) -> bool:
        """Return whether anything is dropped."""
        return bool(self.inputs or self.hidden or self.spatial)


class Clip(Finite):
    """How large a gradient g can be; one of the three.

    `value` c: each element to [-c, c]. `norm` c: g of each weight tensor times
    min(1, c / |g|). `global_norm` c: the same with |g| over all tensors (R. Pascanu et al.,
    arXiv:1211.5063, algorithm 1).
    """

    value: float | None = Field(None, gt=0)
    norm: float | None = Field(None, gt=0)
    global_norm: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one(self) -> Clip:
        if sum(limit is not None for limit in (self.value, self.norm, self.global_norm)) != 1:
            raise ValueError("clip has one of value, norm and global_norm")
        return self
