"""The words that random networks are made of: each takes a tensor on to the next.

A word is drawn with random sizes. Those of `VECTOR` take `(features,)`, those of `SEQUENCE`
`(places, features)`, those of `IMAGE` `(height, width, channels)`; sizes stay so small that a
network is compiled in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

#: Functions that are tables in fixed point.
TABLES: tuple[Any, ...] = (
    "sigmoid",
    "tanh",
    "softplus",
    "gelu",
    "silu",
    "arctan",
    "step",
    "hard_sigmoid",
    {"name": "leaky_relu", "slope": 0.3},
    {"name": "elu", "alpha": 0.5},
)


class Drawing:
    """What words draw with.

    Parameters
    ----------
    nn
        Vocabulary.
    rng
        Random numbers; the same ones draw the same network in every vocabulary.
    """

    def __init__(self, nn: Any, rng: np.random.Generator) -> None:
        self.nn, self.rng = nn, rng
        self.inputs: Any = None
        self.masked = False
        self._names: Counter[str] = Counter()

    def name(self, word: str) -> str:
        """Return a layer's name that no other layer has."""
        self._names[word] += 1
        return f"{word}{self._names[word]}"

    def size(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def one_of(self, *choices: Any) -> Any:
        """Return one of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def rectified(self) -> str | None:
        """Return an activation that layers with a kernel have in every vocabulary."""
        return self.one_of("relu", "relu", None)


Word = Callable[[Drawing, Any], Any]


def dense(d: Drawing, x: Any) -> Any:
    return d.nn.Dense(d.size(2, 8), activation=d.rectified(), name=d.name("dense"))(x)


def narrow_dense(d: Drawing, x: Any) -> Any:
    name = d.name("narrow")
    return d.nn.Dense(d.size(1, 3), use_bias=d.one_of(True, False), name=name)(x)


def normalized(d: Drawing, x: Any) -> Any:
    return d.nn.BatchNormalization(name=d.name("norm"))(x)


def rectified(d: Drawing, x: Any) -> Any:
    return d.nn.Activation("relu", name=d.name("relu"))(x)


def table(d: Drawing, x: Any) -> Any:
    return d.nn.Activation(d.one_of(*TABLES), name=d.name("table"))(x)


def sloped(d: Drawing, x: Any) -> Any:
    return d.nn.Activation("parametric_relu", name=d.name("slope"))(x)


def _like(d: Drawing, x: Any) -> Any:
    return d.nn.Dense(x.shape[-1], activation=d.rectified(), name=d.name("branch"))(x)


def residual(d: Drawing, x: Any) -> Any:
    return d.nn.Add(name=d.name("sum"))([x, _like(d, x)])


def sum_of_three(d: Drawing, x: Any) -> Any:
    return d.nn.Add(name=d.name("sum"))([x, _like(d, x), _like(d, x)])


def difference(d: Drawing, x: Any) -> Any:
    return d.nn.Subtract(name=d.name("difference"))([_like(d, x), x])


def product(d: Drawing, x: Any) -> Any:
    return d.nn.Multiply(name=d.name("product"))([_like(d, x), x])


def larger(d: Drawing, x: Any) -> Any:
    return d.nn.Maximum(name=d.name("larger"))([_like(d, x), x])


def joined(d: Drawing, x: Any) -> Any:
    parts = [x, *(narrow_dense(d, x) for _ in range(d.size(1, 2)))]
    return d.nn.Concatenate(axis=-1, name=d.name("joined"))(parts)


def twice(d: Drawing, x: Any) -> Any:
    """Call one layer two times."""
    layer = d.nn.Dense(x.shape[-1], activation="relu", name=d.name("shared"))
    return layer(layer(x))


def folded(d: Drawing, x: Any) -> Any:
    """Make a sequence of a vector and flatten what comes out."""
    places = next(n for n in (4, 3, 2, 1) if x.shape[-1] % n == 0)
    x = d.nn.Reshape((places, x.shape[-1] // places), name=d.name("folded"))(x)
    return d.nn.Flatten(name=d.name("flat"))(dense(d, x))


def repeated(d: Drawing, x: Any) -> Any:
    x = d.nn.RepeatVector(d.size(2, 3), name=d.name("repeated"))(x)
    return d.nn.Flatten(name=d.name("flat"))(narrow_dense(d, x))


# Of sequences.


def along_places(d: Drawing, x: Any) -> Any:
    places, out = x.shape[1], d.size(2, 4)
    return d.nn.EinsumDense(
        "abc,bd->adc",
        output_shape=(out, x.shape[2]),
        bias_axes=d.one_of("c", "d", None),
        name=d.name(f"einsum{places}_"),
    )(x)


def conv1d(d: Drawing, x: Any) -> Any:
    padding = d.one_of("valid", "same", "causal")
    stride = d.size(1, 2)
    dilation = d.size(1, 2) if stride == 1 else 1
    span = d.size(1, 3)
    if padding == "valid" and (span - 1) * dilation >= x.shape[1]:
        padding = "same"
    return d.nn.Conv1D(
        d.size(1, 4),
        span,
        padding=padding,
        strides=stride,
        dilation_rate=dilation,
        activation=d.rectified(),
        name=d.name("conv"),
    )(x)


def pooling1d(d: Drawing, x: Any) -> Any:
    if x.shape[1] < 2:
        return dense(d, x)
    word = d.one_of(d.nn.MaxPooling1D, d.nn.AveragePooling1D)
    return word(2, strides=d.size(1, 2), name=d.name("pool"))(x)


def padded1d(d: Drawing, x: Any) -> Any:
    x = d.nn.ZeroPadding1D(d.size(1, 2), name=d.name("padded"))(x)
    return conv1d(d, x)


def repeated1d(d: Drawing, x: Any) -> Any:
    if x.shape[1] > 4:
        return dense(d, x)
    return d.nn.UpSampling1D(2, name=d.name("repeated"))(x)


def turned(d: Drawing, x: Any) -> Any:
    return dense(d, d.nn.Permute((2, 1), name=d.name("turned"))(x))


def attention(d: Drawing, x: Any) -> Any:
    key, width = d.size(1, 3), d.size(2, 4)
    queries = d.nn.Dense(key, use_bias=False, name=d.name("query"))(x)
    keys = d.nn.Dense(key, use_bias=False, name=d.name("key"))(x)
    values = d.nn.Dense(width, name=d.name("value"))(x)
    scores = d.nn.Einsum("abc,adc->abd", name=d.name("scores"))([queries, keys])
    weights = d.nn.Softmax(key**-0.5, name=d.name("softmax"))(scores)
    return d.nn.Einsum("abd,adc->abc", name=d.name("mean"))([weights, values])


def _recurrent(cell: str) -> Word:
    def recurrent(d: Drawing, x: Any) -> Any:
        word = getattr(d.nn, cell)
        more = {"reset_after": d.one_of(True, False)} if cell == "GRU" else {}
        masked = d.masked and x is d.inputs
        sequences = d.one_of(True, False)
        return word(
            d.size(1, 3),
            gates="hard",
            masked=masked,
            return_sequences=sequences,
            go_backwards=d.one_of(True, False),
            pass_mask=masked and sequences and d.one_of(True, False),
            name=d.name(cell.lower()),
            **more,
        )(x)

    recurrent.__name__ = cell
    return recurrent


def masked(d: Drawing, x: Any) -> Any:
    """Take out the places that are padding, where places are those that came in."""
    if not d.masked or x.shape[1] != d.inputs.shape[1]:
        return dense(d, x)
    bits = d.nn.Mask(x.shape[-1], name=d.name("mask"))(d.inputs)
    return d.nn.Masked(name=d.name("masked"))([x, bits])


def shifted(d: Drawing, x: Any) -> Any:
    """Multiply by powers of two and add an offset at every place."""
    x = dense(d, x)  # what comes in has to be on lanes
    powers = 2.0 ** d.rng.integers(-2, 3, x.shape[-1])
    offset = d.rng.integers(-8, 9, x.shape[1:]) / 8.0
    word = d.nn.ConstantEinsum("abc,c->abc", powers, bias=offset, name=d.name("shifted"))
    return word(x)


# Of images.


def conv2d(d: Drawing, x: Any) -> Any:
    sides = d.size(1, 3), d.size(1, 3)
    fits = all(side <= length for side, length in zip(sides, x.shape[1:3], strict=True))
    channels = x.shape[-1]
    groups = channels if channels > 1 and d.rng.random() < 0.25 else 1
    return d.nn.Conv2D(
        groups * d.size(1, 3 if groups == 1 else 1),
        sides,
        padding=d.one_of("valid", "same") if fits else "same",
        strides=d.one_of(1, 1, 2, (2, 1)) if min(x.shape[1:3]) > 2 else 1,
        groups=groups,
        activation=d.rectified(),
        name=d.name("conv"),
    )(x)


def dilated2d(d: Drawing, x: Any) -> Any:
    return d.nn.Conv2D(
        d.size(1, 2), 2, padding="same", dilation_rate=d.size(1, 2), name=d.name("dilated")
    )(x)


def depthwise(d: Drawing, x: Any) -> Any:
    return d.nn.DepthwiseConv2D(
        d.size(1, 3),
        padding="same",
        strides=d.size(1, 2),
        depth_multiplier=d.size(1, 2),
        activation=d.rectified(),
        name=d.name("depthwise"),
    )(x)


def separable(d: Drawing, x: Any) -> Any:
    x = d.nn.DepthwiseConv2D(2, padding="same", name=d.name("depthwise"))(x)
    return d.nn.Conv2D(d.size(1, 3), 1, activation=d.rectified(), name=d.name("pointwise"))(x)


def pooling2d(d: Drawing, x: Any) -> Any:
    if min(x.shape[1:3]) < 2:
        return conv2d(d, x)
    word = d.one_of(d.nn.MaxPooling2D, d.nn.AveragePooling2D)
    window = d.one_of(2, (1, 2), (2, 1))
    return word(window, strides=d.one_of(None, 1, 2), name=d.name("pool"))(x)


def padded_maximum(d: Drawing, x: Any) -> Any:
    return d.nn.MaxPooling2D(d.size(2, 3), strides=2, padding="same", name=d.name("pool"))(x)


def padded2d(d: Drawing, x: Any) -> Any:
    edges = ((d.size(0, 1), d.size(0, 1)), (d.size(0, 1), 1))
    return conv2d(d, d.nn.ZeroPadding2D(edges, name=d.name("padded"))(x))


def cropped(d: Drawing, x: Any) -> Any:
    if min(x.shape[1:3]) < 3:
        return conv2d(d, x)
    edges = ((d.size(0, 1), 1), (1, d.size(0, 1)))
    return d.nn.Cropping2D(edges, name=d.name("cropped"))(x)


def repeated2d(d: Drawing, x: Any) -> Any:
    if max(x.shape[1:3]) > 3:
        x = d.nn.MaxPooling2D(2, name=d.name("pool"))(x)
    return d.nn.UpSampling2D(d.one_of(2, (1, 2)), name=d.name("repeated"))(x)


def identity(d: Drawing, x: Any) -> Any:
    filters, strides = x.shape[-1] + d.size(0, 1), d.size(1, 2)
    short = d.nn.PaddedIdentity2D(filters, strides, name=d.name("identity"))(x)
    long = d.nn.Conv2D(filters, 2, padding="same", strides=strides, name=d.name("conv"))(x)
    return d.nn.Add(name=d.name("sum"))([short, long])


EVERYWHERE: tuple[Word, ...] = (
    dense,
    narrow_dense,
    normalized,
    rectified,
    table,
    sloped,
    residual,
    sum_of_three,
    difference,
    product,
    larger,
    joined,
)
VECTOR: tuple[Word, ...] = (*EVERYWHERE, twice, folded, repeated)
SEQUENCE: tuple[Word, ...] = (
    *EVERYWHERE,
    along_places,
    conv1d,
    pooling1d,
    padded1d,
    repeated1d,
    turned,
    attention,
    masked,
    shifted,
    *(_recurrent(cell) for cell in ("SimpleRNN", "LSTM", "PeepholeLSTM", "GRU")),
)
IMAGE: tuple[Word, ...] = (
    *EVERYWHERE,
    conv2d,
    dilated2d,
    depthwise,
    separable,
    pooling2d,
    padded_maximum,
    padded2d,
    cropped,
    repeated2d,
    identity,
)

#: By the axes of an event.
WORDS = {1: VECTOR, 2: SEQUENCE, 3: IMAGE}


def to_vector(d: Drawing, x: Any) -> Any:
    """Bring what is left to `(features,)`: a pooling over all places, or all numbers in a row."""
    axes = len(x.shape) - 1
    if axes == 1:
        return x
    places = int(np.prod(x.shape[1:-1]))
    ways = ["Flatten", f"GlobalMaxPooling{axes - 1}D"]
    if places & (places - 1) == 0:
        ways.append(f"GlobalAveragePooling{axes - 1}D")
    if places * x.shape[-1] > 48:
        ways = ways[1:]
    way = d.one_of(*ways)
    return getattr(d.nn, way)(name=d.name(way.lower()))(x)
