"""From a Keras model to an HLS project in a folder that can be moved."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import TargetError, nearest
from hepnn.targets.hls4ml import (
    backends,
    concatenate,
    decision,
    dilation,
    elementwise,
    entrance,
    groups,
    images,
    lookups,
    masks,
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

#: Layers that no C++ is written for.
_SILENT = ("Input", "Constant")

#: A type as hls4ml reads it.
_TYPE = re.compile(r"(ap_)?u?fixed<\d+,-?\d+(,[A-Z_]+){0,2}>")

#: hls4ml writes an einsum, as the input scaling is, in no other way.
_UNSHARED = {"Strategy": "Latency", "ReuseFactor": 1}


def exact(model: Any, directory: Path, kit: Kit) -> Any:
    """Convert a fixed-point network: hls4ml works every type out from the quantizers."""
    options = kit.hls4ml
    if options.saturate is not None:
        raise TargetError(
            "target hls4ml: option saturate is for float stages; lanes of a fixed-point stage wrap"
            " or saturate as they were trained to"
        )
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
    return _ended(_converted(model, directory, kit, _changed(described, options.precision)), kit)


def plain(model: Any, directory: Path, kit: Kit) -> Any:
    """Convert with hls4ml's defaults: `fixed<16,6>`, precisions left to `auto`."""
    described = _changed(_by_name(model, kit), kit.hls4ml.precision)
    return _ended(_converted(model, directory, kit, described), kit)


def _ended(graph: Any, kit: Kit) -> Any:
    """Let inputs and results saturate or wrap as the kit asks for; single types stay as given."""
    from hls4ml.model.types import SaturationMode

    if kit.hls4ml.saturate is None:
        return graph
    mode = SaturationMode.SAT if kit.hls4ml.saturate else SaturationMode.WRAP
    for node in graph.get_layers():
        if f"{node.name}.result" not in kit.hls4ml.precision:
            result = node.get_output_variable().type
            result.precision = copy.copy(result.precision)  # others may have it too
            result.precision.saturation_mode = mode
    return graph


def _changed(described: dict[str, Any], wanted: Mapping[str, str]) -> dict[str, Any]:
    """Set single types, sizes of tables and kinds of softmax in hls4ml's configuration.

    Raises
    ------
    TargetError
        If there is no such layer, or it is no type.
    """
    layers = described["LayerName"]
    for key, value in wanted.items():
        name, _, kind = key.rpartition(".")
        if name not in layers:
            raise TargetError(f"precision: hls4ml has no layer {name!r}; {nearest(name, layers)}")
        if kind == "table_size" and value.isdigit():
            layers[name]["TableSize"] = int(value)
        elif kind == "implementation" and value in lookups.SOFTMAX:
            layers[name]["Implementation"] = value
        elif kind in lookups.TYPES and _TYPE.fullmatch(value):
            layers[name][f"{kind}_t"] = value
        elif _TYPE.fullmatch(value):
            layers[name].setdefault("Precision", {})[kind] = value
        else:
            raise TargetError(f"precision of {key}: {value!r} is no type as fixed<16,6,RND,SAT>")
    return described


def write(graph: Any, directory: Path, kit: Kit) -> None:
    """Write the sources, with paths that hold wherever the folder is moved."""
    graph.config.writer_config["WriteTar"] = False
    graph.write()
    if backends.of(kit).proven is None:
        padding.mend_maximum(directory)
        resize.mend_types(directory)
        rounding.mend(directory)
    if kit.hls4ml.backend == "Quartus":
        masks.write(graph, directory)
    # hls4ml keeps the model and the place where it wrote; both are relative to this file here.
    for described in (directory / "hls4ml_config.yml", directory / f"{PROJECT}_bridge.cpp"):
        if described.exists():
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
        with images.mended(), decision.mended(kit.hls4ml.backend), _einsum(kit):
            described = config_from_keras_model(
                model,
                granularity="name",
                backend=kit.hls4ml.backend,
                default_precision="fixed<16,6>",
                default_reuse_factor=kit.hls4ml.reuse_factor,
            )
            return decision.kept(model, described)
    except TargetError:
        raise
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
            masks.mended(),
            decision.mended(kit.hls4ml.backend),
            _einsum(kit),
            tables.mended(),
        ):
            graph = convert_from_keras_model(
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
                **backends.options(kit),
            )
    except TargetError:
        raise
    except Exception as error:  # hls4ml raises bare exceptions and assertions
        raise TargetError(f"hls4ml does not take it: {one_line(error)}") from error
    _refuse_unwritten(graph, kit)
    return graph


def _einsum(kit: Kit) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if backends.of(kit).einsum else elementwise.mended()


def _refuse_unwritten(graph: Any, kit: Kit) -> None:
    """Refuse a layer that the backend has no C++ for: hls4ml leaves it out and says nothing."""
    for node in graph.get_layers():
        if node.class_name in _SILENT or node.get_attr("function_cpp") is not None:
            continue
        entering, leaving = node.get_input_variable(), node.get_output_variable()
        if node.class_name == "Reshape" and entering.size() == leaving.size():
            continue  # the same numbers under another name
        raise TargetError(
            f"hls4ml writes nothing for layer {node.name!r} ({node.class_name}) in"
            f" {kit.hls4ml.backend}"
        )
