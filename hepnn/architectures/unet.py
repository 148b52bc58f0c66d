"""U-Net.

O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image
segmentation", MICCAI 2015, LNCS 9351, 234 (arXiv:1505.04597), figure 1: a contracting path that
sees more and more of the image, and an expansive path that brings it back to the pixels, joined
level by level, so that what is known from afar and where it is meet. Two 3x3 convolutions with
ReLU a level, 2x2 maximum pooling between levels while the maps double from 64 to 1,024; 2x2
up-convolutions that halve them, the maps of the same level beside them, and a 1x1 convolution to
one logit a class and pixel: 23 convolutional layers, 31,030,658 parameters for grey images and
two classes.

Every default is the paper's. There the convolutions are not padded: of 572x572 pixels 388x388
are answered, and what is copied across is cropped. For a mask as large as the image set
`padding: same`; `filters` and `depth` are the maps of the first level and the number of
poolings. For firmware `upsampling: nearest` is the up-convolution written as what the paper says
it is, "an upsampling of the feature map followed by a 2x2 convolution": each pixel repeated, with
as many weights. `transposed`, the default, is what the authors released. `normalization: batch`
normalizes before every ReLU, as the network's three-dimensional successor does (O. Cicek et al.,
arXiv:1606.06650).

Differences from the paper: the logits' softmax is left to the loss. The rate of the dropout "at
the end of the contracting path" is the released one, on the two deepest levels.

Shapes: `(batch, height, width, channels)` to `(batch, height, width, classes)`; without padding
both sides shrink, by 184 at depth 4.
"""

from __future__ import annotations

from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

_TINY = {"padding": "same", "filters": 2, "depth": 1, "dropout": 0.0}

NARROW = {
    "unet": Narrow((4, 4, 1), (4, 4, 2), {**_TINY, "upsampling": "nearest"}),
    "unet-transposed": Narrow((4, 4, 1), (4, 4, 2), _TINY),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    filters: int = 64,
    depth: int = 4,
    padding: Literal["valid", "same"] = "valid",
    upsampling: Literal["transposed", "nearest"] = "transposed",
    normalization: Literal["none", "batch"] = "none",
    dropout: float = 0.5,
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(height, width, channels)`, 572x572x1 in the paper.
    output_shape
        `(height, width, classes)`, 388x388x2 in the paper.
    nn
        Vocabulary.
    filters
        Maps of the first level; each level below has twice as many.
    depth
        Number of poolings, and of up-convolutions.
    padding
        Of the 3x3 convolutions: none (the paper's), or to the same size.
    upsampling
        Up-convolution as a transposed one, or as repeated pixels and a convolution.
    normalization
        None (the paper's), or of the batch, before every ReLU.
    dropout
        Fraction of the maps' pixels dropped in training on the two deepest levels.

    Raises
    ------
    RecipeError
        If a side cannot be halved so often, or the masks are not as large as the output.
    """
    size = _sides(input_shape, depth, padding)
    if len(output_shape) != 3 or tuple(output_shape[:2]) != size:
        hint = "; set padding: same" if padding == "valid" else ""
        raise RecipeError(
            f"unet with padding: {padding} answers {size[0]}x{size[1]} pixels of {input_shape}, "
            f"the outputs are {tuple(output_shape)}{hint}"
        )
    if upsampling not in ("transposed", "nearest"):
        raise RecipeError(f"unet: upsampling: {upsampling!r} is neither transposed nor nearest")
    if normalization not in ("none", "batch"):
        raise RecipeError(f"unet: normalization: {normalization!r} is neither none nor batch")

    normalized = normalization == "batch"

    def convolutions(x: Any, maps: int, level: str) -> Any:
        for number in (1, 2):
            x = nn.Conv2D(
                maps,
                3,
                padding=padding,
                activation=None if normalized else "relu",
                use_bias=not normalized,
                kernel_initializer="he_normal",
                name=f"{level}_conv{number}",
            )(x)
            if normalized:
                x = nn.BatchNormalization(name=f"{level}_norm{number}")(x)
                x = nn.Activation("relu", name=f"{level}_relu{number}")(x)
        return x

    def up(x: Any, maps: int, level: str) -> Any:
        how = {"kernel_initializer": "he_normal", "name": f"{level}_upconv"}
        if upsampling == "transposed":
            return nn.Conv2DTranspose(maps, 2, strides=2, **how)(x)
        x = nn.UpSampling2D(2, name=f"{level}_repeat")(x)
        return nn.Conv2D(maps, 2, padding="same", **how)(x)

    inputs = nn.Input(input_shape, name="inputs")
    x, copied = inputs, []
    for level in range(depth):
        x = convolutions(x, filters * 2**level, f"down{level + 1}")
        if dropout and level == depth - 1:
            x = nn.Dropout(dropout, name=f"down{level + 1}_dropout")(x)
        copied.append(x)
        x = nn.MaxPooling2D(2, name=f"down{level + 1}_pool")(x)
    x = convolutions(x, filters * 2**depth, "bottom")
    if dropout:
        x = nn.Dropout(dropout, name="bottom_dropout")(x)
    for level in reversed(range(depth)):
        name, maps = f"up{level + 1}", filters * 2**level
        x = up(x, maps, name)
        beside = copied[level]
        cut = [(b - a) // 2 for a, b in zip(x.shape[1:3], beside.shape[1:3], strict=True)]
        if any(cut):
            edges = [(each, each) for each in cut]
            beside = nn.Cropping2D(edges, name=f"{name}_crop")(beside)
        x = nn.Concatenate(name=f"{name}_concatenate")([beside, x])
        x = convolutions(x, maps, name)
    outputs = nn.Conv2D(output_shape[-1], 1, kernel_initializer="he_normal", name="logits")(x)
    return nn.Model(inputs, outputs, name="unet")


def _sides(input_shape: tuple[int, ...], depth: int, padding: str) -> tuple[int, ...]:
    """Return height and width of the output; refuse what has no whole pixels on the way."""
    if len(input_shape) != 3:
        raise RecipeError(f"unet takes images (height, width, channels), not {input_shape}")
    if padding not in ("valid", "same"):
        raise RecipeError(f"unet: padding: {padding!r} is neither valid nor same")
    lost = 4 if padding == "valid" else 0  # by the two convolutions of a level
    sides = list(input_shape[:2])
    for axis, side in enumerate(input_shape[:2]):
        for _ in range(depth):
            side -= lost
            if side < 2 or side % 2:
                raise RecipeError(
                    f"unet halves every side {depth} times, with padding: {padding} this side of "
                    f"{input_shape} comes to {side}: choose another depth or another size"
                )
            side //= 2
        side -= lost
        if side < 1:
            raise RecipeError(f"unet of depth {depth} is too deep for {input_shape}")
        for _ in range(depth):
            side = 2 * side - lost
        if side < 1:
            raise RecipeError(f"unet of depth {depth} is too deep for {input_shape}")
        sides[axis] = side
    return tuple(sides)
