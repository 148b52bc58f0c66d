"""Words of images, `(height, width, channels)`."""

from __future__ import annotations

from typing import Any

from fuzz.words import EVERYWHERE, Drawing, Word


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
