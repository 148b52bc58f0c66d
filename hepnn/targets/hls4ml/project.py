"""From a Keras model to an HLS project in a folder that can be moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import TargetError
from hepnn.targets.hls4ml import (
    concatenate,
    dilation,
    entrance,
    groups,
    images,
    mend,
    merge,
    padding,
    pooling,
    precision,
    resize,
    rounding,
    tables,
)
from hepnn.targets.interface import one_line
from hepnn.targets.kit import Kit

#: The top function, and with it the names of the sources.
PROJECT = "network"

#: hls4ml writes an einsum, as the input scaling is, in no other way.
_UNSHARED = {"Strategy": "Latency", "ReuseFactor": 1}


def exact(model: Any, directory: Path, kit: Kit) -> Any:
    """Convert a fixed-point network: hls4ml works every type out from the quantizers."""
    options = kit.hls4ml
    described = {
        "Model": {
            # Too narrow for anything: a type that was not worked out shows at once.
            "Precision": "ap_fixed<1,0>",
            "ReuseFactor": options.reuse_factor,
            "Strategy": options.strategy,
        },
        "LayerName": {name: dict(_UNSHARED) for name in _einsums(model)},
    }
    mend.refuse_dead_layers(model)
    with mend.mended(), entrance.refused(model):
        return _converted(model, directory, kit, described)


def calibrated(model: Any, directory: Path, kit: Kit, calibration: np.ndarray) -> Any:
    """Convert a float network with types from its weights and from calibration events."""
    options = kit.hls4ml
    described = precision.configuration(
        model,
        calibration,
        base=_by_name(model, kit),
        width=options.width,
        margin=options.margin,
    )
    described["Model"]["Strategy"] = options.strategy
    for name in _einsums(model):
        described["LayerName"][name].update(_UNSHARED)
    return _converted(model, directory, kit, described)


def plain(model: Any, directory: Path, kit: Kit) -> Any:
    """Convert with hls4ml's defaults: `fixed<16,6>`, precisions left to `auto`."""
    return _converted(model, directory, kit, _by_name(model, kit))


def write(graph: Any, directory: Path) -> None:
    """Write the sources, with paths that hold wherever the folder is moved."""
    graph.write()
    padding.mend_maximum(directory)
    resize.mend_types(directory)
    rounding.mend(directory)
    # hls4ml keeps the model and the place where it wrote; both are relative to this file here.
    described = directory / "hls4ml_config.yml"
    text = described.read_text()
    files.write_text(described, text.replace(str(directory), "."))


def refusals(model: Any, kit: Kit, fixed: bool) -> dict[str, str]:
    """Convert every layer alone and return what the refused ones said, by layer name."""
    import keras

    said = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        try:
            alone = keras.Model(layer.input, layer.output)
        except (ValueError, AttributeError):
            continue
        try:
            (exact if fixed and hasattr(layer, "iq") else plain)(alone, Path("unwritten"), kit)
        except TargetError as error:
            said[layer.name] = str(error)
    return said


def _einsums(model: Any) -> list[str]:
    return [layer.name for layer in model.layers if hasattr(layer, "equation")]


def _by_name(model: Any, kit: Kit) -> dict[str, Any]:
    from hls4ml.utils import config_from_keras_model

    try:
        with images.mended():
            return config_from_keras_model(
                model,
                granularity="name",
                backend=kit.hls4ml.backend,
                default_precision="fixed<16,6>",
                default_reuse_factor=kit.hls4ml.reuse_factor,
            )
    except Exception as error:  # hls4ml raises bare exceptions and assertions
        raise TargetError(f"hls4ml does not take it: {one_line(error)}") from error


def _converted(model: Any, directory: Path, kit: Kit, described: dict[str, Any]) -> Any:
    from hls4ml.converters import convert_from_keras_model

    try:
        with (
            concatenate.mended(),
            groups.mended(),
            padding.mended(),
            pooling.mended(),
            images.mended(),
            dilation.mended(),
            merge.mended(),
            resize.mended(),
            tables.mended(),
        ):
            return convert_from_keras_model(
                model,
                backend=kit.hls4ml.backend,
                output_dir=str(directory),
                project_name=PROJECT,
                hls_config=described,
                io_type=kit.hls4ml.io_type,
                part=kit.part,
                clock_period=kit.clock_period_ns or 5,
                # A layer that hls4ml does not know would become one huge block of logic.
                allow_da_fallback=False,
            )
    except Exception as error:  # hls4ml raises bare exceptions and assertions
        raise TargetError(f"hls4ml does not take it: {one_line(error)}") from error
