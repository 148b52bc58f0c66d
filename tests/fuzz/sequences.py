"""Words of sequences, `(places, features)`."""

from __future__ import annotations

from typing import Any

from fuzz.words import EVERYWHERE, Drawing, Word, dense


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
