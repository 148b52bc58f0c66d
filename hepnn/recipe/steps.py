"""Steps of compression, each a stage after the float one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hepnn.declarations import Declaration


class Step(Declaration):
    """A compression step; `fit` changes keys of the recipe's `fit` for this step."""

    fit: dict[str, Any] = {}


class Prune(Step):
    """Set the smallest weights to zero while training on.

    M. Zhu, S. Gupta, "To prune, or not to prune" (arXiv:1710.01878): `polynomial` is their
    eq. (1), from `initial` to `sparsity` between the fractions `begin` and `end` of the epochs.

    With `structure`, whole units go (`hepnn.compress.structure`): `neuron` of dense layers,
    `filter` of convolutions, `unit` both. `sparsity` is then the fraction of a layer's units.
    """

    step: Literal["prune"] = "prune"
    structure: Literal["weight", "neuron", "filter", "unit"] = "weight"
    sparsity: float = Field(0.75, ge=0, lt=1)
    schedule: Literal["polynomial", "constant"] = "polynomial"
    initial: float = Field(0.0, ge=0, lt=1)
    begin: float = Field(0.0, ge=0, le=1)
    end: float = Field(0.7, gt=0, le=1)
    layers: dict[str, float] = Field({}, description="sparsity of single layers, by name")


class Cluster(Step):
    """Let the weights of each kernel share a few values while training on.

    S. Han, H. Mao, W. J. Dally, "Deep Compression" (arXiv:1510.00149), section 3: `initial` is
    where k-means starts, `linear` or `density` as in their section 3.2, or `kmeans++`
    (D. Arthur, S. Vassilvitskii, SODA 2007) with its `seed`. Zeros of pruning are one of the
    values, and stay.
    """

    step: Literal["cluster"] = "cluster"
    clusters: int = Field(16, ge=2, le=256, description="values of each kernel")
    initial: Literal["linear", "density", "kmeans++"] = "linear"
    seed: int = Field(1, ge=0)
    layers: dict[str, Annotated[int, Field(ge=2, le=256)]] = Field(
        {}, description="clusters of single layers, by name"
    )


class Beta(Declaration):
    """The weight of the EBOPs over the training, in logarithmic steps from `first` to `last`.

    It reaches `last` after the fraction `ramp` of the epochs and stays there.
    """

    first: float = Field(1e-8, gt=0)
    last: float = Field(3e-6, gt=0)
    ramp: float = Field(0.8, gt=0, le=1)


class Quantize(Step):
    """Train on in fixed point.

    `hgq`: learned bit widths, pressed down by `beta`; with `ebops`, training stops pressing
    when the estimate is reached. They start at `weight_bits`, without the sign, and at
    `lane_fraction`. `qkeras`: `bits` for every weight and activation.
    """

    step: Literal["quantize"] = "quantize"
    method: Literal["hgq", "qkeras"] = "hgq"
    beta: Beta = Beta()
    ebops: float | None = Field(None, gt=0)
    bits: int = Field(6, ge=2, le=16)
    weight_bits: int = Field(8, ge=1, le=16)
    lane_fraction: int = Field(6, ge=0, le=12)
    rounding: Literal["RND", "TRN"] = Field("RND", description="of the data lanes of hgq")


AnyStep = Annotated[Prune | Cluster | Quantize, Field(discriminator="step")]
