"""The support matrix: every narrow variant, in every vocabulary, to every target.

All that is compiled and simulated takes an hour: by default the first variant of each architecture
goes to TFLite, and those of `BUILT` to firmware. `--all-cells` tries every cell, `--fill-support`
writes what is found as well.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn import architectures, files, targets, vocabularies
from hepnn.architectures import narrow, support
from hepnn.data import scaling
from hepnn.errors import RecipeError, TargetError
from hepnn.targets import kit as kits

pytestmark = pytest.mark.usefixtures("tensorflow")

README = Path(__file__).parents[2] / "README.md"

BITS = 6

#: Different outputs to 200 events that a network has to have, or bits would be equal for nothing;
#: threshold units have only few.
ANSWERS, ANSWERS_IN_FIXED_POINT = 150, 3

#: Variants that are built for firmware by default: one of each kind of arithmetic.
BUILT = ("deep-sets", "gru", "lenet5")

CELLS = [
    (label, vocabulary, target)
    for label in narrow.variants()
    for vocabulary in support.VOCABULARIES
    for target in support.TARGETS
]


@pytest.mark.parametrize(("label", "vocabulary", "target"), CELLS)
def test_the_matrix_says_what_happens(
    label: str, vocabulary: str, target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    filling = request.config.getoption("--fill-support")
    if not (
        filling or request.config.getoption("--all-cells") or _usual(label, vocabulary, target)
    ):
        pytest.skip("one of many alike: --all-cells")
    found = verdict(label, vocabulary, target, tmp_path)
    if filling:
        known = support.verdicts() if support.FILE.exists() else {}
        entry = known.setdefault(label, {"verdicts": {}})
        entry["architecture"] = narrow.variants()[label][0]
        entry["verdicts"].setdefault(vocabulary, {})[target] = found
        labels = narrow.variants()
        files.write_json(support.FILE, {k: v for k, v in sorted(known.items()) if k in labels})
    assert support.verdicts()[label]["verdicts"][vocabulary][target] == found


def test_the_matrix_has_every_cell_and_no_other() -> None:
    known = support.verdicts()
    cells = {
        (label, v, t)
        for label, entry in known.items()
        for v, by in entry["verdicts"].items()
        for t in by
    }
    assert cells == set(CELLS)
    assert {label: entry["architecture"] for label, entry in known.items()} == {
        label: name for label, (name, _) in narrow.variants().items()
    }
    assert all(v in support.SIGNS or len(v) > len("no: ") for v in _all(known))


def test_the_readme_has_the_matrix(request: pytest.FixtureRequest) -> None:
    text = README.read_text()
    before, rest = text.split("<!-- support matrix -->\n")
    _, after = rest.split("<!-- end of support matrix -->\n")
    matrix = support.markdown(support.verdicts())
    filled = (
        f"{before}<!-- support matrix -->\n{matrix}\n"
        f"{support.LEGEND}\n<!-- end of support matrix -->\n{after}"
    )
    if request.config.getoption("--fill-support"):
        files.write_text(README, filled)
    assert text == filled


def test_fixed_point_owes_bits_or_is_refused() -> None:
    for entry in support.verdicts().values():
        for vocabulary in ("hgq", "qkeras"):
            for found in entry["verdicts"].get(vocabulary, {}).values():
                assert found == "exact" or found.startswith("no: ")


def verdict(label: str, vocabulary: str, target: str, folder: Path) -> str:
    """Export a variant and compare it with Keras; a refusal has to come before that."""
    name = target.removesuffix("-int8")
    kit = kits.load(kits.USUAL[name]).unsynthesized()
    try:
        model, x, outputs = network(label, vocabulary)
        assert _answers(outputs) >= ANSWERS_IN_FIXED_POINT
        refused = [row for row in targets.get(name).check(model, kit) if _no(row, vocabulary)]
    except RecipeError as error:
        return f"no: {error}"
    if refused:
        row = refused[0]
        return f"no: {row.kind} {row.layer!r}: {row.reason}"
    formats = ("int8",) if target.endswith("-int8") else None
    exact = vocabulary != "float"
    try:
        artefacts = targets.get(name).write(
            model, folder, kit=kit, calibration=x[:200], exact=exact, formats=formats
        )
    except TargetError as error:
        if formats and exact:  # an int8 form of a fixed-point stage
            return f"no: {error}"
        raise
    return _agreement(artefacts, target, x, outputs, exact)


def _agreement(
    artefacts: list[Any], target: str, x: np.ndarray, outputs: np.ndarray, exact: bool
) -> str:
    wanted = outputs.reshape(len(x), -1)
    inside = wanted[:200]  # the others are far beyond what a float stage is calibrated on
    spread = np.ptp(inside)
    for artefact in artefacts:
        found = artefact.predict(x).reshape(len(x), -1)
        if exact:
            unequal = int((found != wanted).any(axis=1).sum())
            assert not unequal, f"{artefact.name}: {unequal} of {len(x)} events differ"
        elif target == "tflite":
            # Sums in another order: one part in 1e5 of what the outputs span.
            assert np.abs(found[:200] - inside).max() <= 1e-5 * spread
        elif target == "hls4ml":
            assert np.sqrt(np.mean((found[:200] - inside) ** 2)) <= 0.01 * spread
        else:
            assert np.isfinite(found).all()
    if exact:
        return "exact"
    return {"tflite": "near", "hls4ml": "bounded", "tflite-int8": "measured"}[target]


@functools.lru_cache(maxsize=2)
def network(label: str, vocabulary: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return a variant with random weights and widths, events, and its outputs.

    The first 200 events are in range, the others at its ends and far beyond.
    """
    import keras

    from hepnn.compress import quantize
    from hepnn.recipe import Quantize
    from hepnn.training import network as networks

    name, variant = narrow.variants()[label]
    keras.backend.clear_session()
    x = _events(variant)
    scales = scaling.fit(_statistics(x, variant), _kinds(variant))

    def build(vocabulary: str, **options: Any) -> Any:
        nn = vocabularies.get(vocabulary, **options)
        nn.scaling = scales
        return architectures.get(name)(
            variant.input_shape, variant.output_shape, nn=nn, **variant.hyper
        )

    # So few rectifiers may all be dead: the first seed of several by which the network answers.
    for seed in range(3, 13):
        keras.utils.set_random_seed(seed)
        reference = build("float")
        _randomize(reference, seed)
        if _answers(networks.predict(reference, x)) >= ANSWERS:
            break
    rng = np.random.default_rng(5)
    model = reference
    if vocabulary != "float":
        options = {}
        if vocabulary == "qkeras":
            step = Quantize(method="qkeras", bits=BITS)
            options = quantize.plan(step, reference, x[:200]).options
        model = build(vocabulary, **options)
        networks.warm_start(model, reference)
    if vocabulary == "hgq":
        for layer in model._flatten_layers():
            lane = getattr(getattr(layer, "iq", None), "quantizer", None)
            if layer.name != "input_scaling" and hasattr(lane, "_f"):
                lane._f.assign(rng.integers(3, 8, lane._f.shape))
        quantize.set_ranges(model, [x[:200]])
    return model, x, networks.predict(model, x)


def _randomize(model: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if "input_scaling" in variable.path or variable.dtype == "uint32":
            continue
        if variable.name in ("bias", "beta", "moving_mean"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.6, 1.4, variable.shape))
        elif "kernel" in variable.name:  # what rectifiers halve, so that deep networks answer
            variable.assign(1.5 * variable.value)


def _answers(outputs: np.ndarray) -> int:
    """Count the different outputs to events in range."""
    return len(np.unique(outputs[:200].reshape(200, -1), axis=0))


def _usual(label: str, vocabulary: str, target: str) -> bool:
    """Say whether a cell is tried by default."""
    variants = narrow.variants()
    first = next(one for one in variants if variants[one][0] == variants[label][0])
    if target == "tflite":
        return label == first and vocabulary != "qkeras"
    return label in BUILT and vocabulary == "hgq" and target != "tflite-int8"


def _events(variant: narrow.Narrow) -> np.ndarray:
    rng = np.random.default_rng(4)
    shape = variant.input_shape
    inside = rng.normal(1, 3, (200, *shape))
    low, high = inside.min(0), inside.max(0)
    ends = np.where(rng.random((60, *shape)) < 0.5, low, high)
    beyond = rng.normal(size=(60, *shape)) * 10.0 ** rng.integers(-3, 6, (60, *[1] * len(shape)))
    x = np.concatenate([inside, ends, beyond]).astype(np.float32)
    if variant.masked:
        real = rng.integers(0, shape[0] + 1, (len(x), 1)) > np.arange(shape[0])
        x = np.where(real[..., None], x, 0).astype(np.float32)
        x[..., -1] = real
    return x


def _statistics(x: np.ndarray, variant: narrow.Narrow) -> Any:
    from hepnn.data import statistics

    return statistics.of(x[:200].reshape(-1, x.shape[-1]))


def _kinds(variant: narrow.Narrow) -> list[str]:
    features = variant.input_shape[-1]
    return ["standard"] * (features - variant.masked) + ["none"] * variant.masked


def _no(row: targets.Verdict, vocabulary: str) -> bool:
    return row.verdict == "refused" or (vocabulary != "float" and row.verdict != "exact")


def _all(known: support.Verdicts) -> list[str]:
    return [v for entry in known.values() for by in entry["verdicts"].values() for v in by.values()]
