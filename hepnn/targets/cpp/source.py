"""The project's files: the kit's templates, filled with what a network is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hepnn import declarations, files
from hepnn.targets.cpp.matrices import Stage
from hepnn.targets.cpp.steps import Steps
from hepnn.targets.fixed_point import LARGEST, NEAR, WRAPPING, Lane
from hepnn.targets.vectors import Vectors

#: Where the templates lie, and the test vectors of what is written.
TEMPLATES, VECTORS = "integer-cpp", "vectors"

#: What only code of matrices needs, and what only a recurrent network has.
_ARITHMETIC, _RECURRENT = "arithmetic.h", ("recurrent.h", "recurrent_test.cpp")

#: Outputs of a layer are filled up to whole registers, of AVX-512 the widest.
_WIDTH = 16


@dataclass(frozen=True)
class Network:
    """What fills the templates.

    Attributes
    ----------
    title, namespace : str
        For the reader, and of everything in the code.
    shape, output_shape : tuple of int
        Of one event.
    lane : Lane
        The grid of the inputs, its parts `(1, *shape)`.
    fractions : sequence of int
        Fraction bits of every output.
    bits : int
        32 or 64, of a number.
    code : str
        What `network.cpp` holds inside its namespace, `infer` among it.
    options : str
        What it is compiled with, as CMake writes lists.
    steps : Steps or None
        Where the code is a recurrent network's, step by step.
    """

    title: str
    namespace: str
    shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    lane: Lane
    fractions: Sequence[int]
    bits: int
    code: str
    options: str
    steps: Steps | None = None


def write(folder: Path, network: Network) -> None:
    """Write the project without its test vectors."""
    inputs, outputs = (int(np.prod(shape)) for shape in (network.shape, network.output_shape))
    lane = network.lane
    steps = np.exp2(-np.broadcast_to(lane.f, (1, *network.shape)).ravel())
    known = {
        "TITLE": network.title,
        "NAMESPACE": network.namespace,
        "SHAPES": f"{_shape(network.shape)} go in, {_shape(network.output_shape)} come out",
        "INPUTS": str(inputs),
        "OUTPUTS": str(outputs),
        "WORD": f"int{network.bits}_t",
        "ROUNDING": lane.rounding,
        "OVERFLOW": WRAPPING.get(lane.overflow, "saturates"),
        "MODE": lane.overflow if lane.wraps else "SAT",
        "INPUT_STEP": _floats(steps),
        "OUTPUT_STEP": _floats(np.exp2(-np.asarray(network.fractions, np.float64))),
        "GRID": ",\n    ".join(_grid(lane, network.shape)),
        "NETWORK_OPTIONS": network.options,
    }
    vectorised, unneeded = "arithmetic::" in network.code, []
    if not vectorised:
        unneeded.append(_ARITHMETIC)
    if network.steps is None:
        unneeded += _RECURRENT
    else:
        known |= _of_steps(network.steps)
    for template in sorted((declarations.root("deploy") / TEMPLATES / "templates").iterdir()):
        if template.name in unneeded:
            continue
        files.write_text(folder / template.name, _filled(template.read_text(), known))
    head = f"// {network.title}\n"
    includes = ["network.h", *([_ARITHMETIC] if vectorised else [])]
    includes += [] if network.steps is None else [_RECURRENT[0]]
    text = "".join(f'#include "{name}"\n' for name in includes)
    text += f"\nnamespace {network.namespace} {{\n\n"
    end = f"\n}}  // namespace {network.namespace}\n"
    files.write_text(folder / "network.cpp", head + text + network.code + end)


def write_vectors(folder: Path, chosen: Vectors, expected: np.ndarray) -> None:
    """Write test vectors, an event a line, numbers as `strtof` reads them to the last bit."""
    for name, numbers in (("inputs", chosen.x), ("expected", expected)):
        rows = np.asarray(numbers, np.float64).reshape(len(chosen.x), -1)
        lines = (" ".join(value.hex() for value in row.tolist()) for row in rows)
        files.write_text(folder / VECTORS / f"{name}.txt", "\n".join(lines) + "\n")


def of_steps(steps: Steps) -> str:
    """Return the two programs of a recurrent network, and `infer` as the loop over its steps."""
    number = "STEPS - 1 - n" if steps.backwards else "n"
    programs = [
        f"namespace {name} {{\n\n{program.source()}\n}}  // namespace {name}\n"
        for name, program in (("one_step", steps.advance), ("ending", steps.answer))
    ]
    body = f"""constexpr word FACTOR[STATES] = {_row(np.array(steps.factors))};

void advance(const word *features, State &state) {{
    word before[FEATURES + STATES], after[STATES];
    for (std::size_t n = 0; n < FEATURES; n++) before[n] = features[n];
    for (std::size_t n = 0; n < STATES; n++) before[FEATURES + n] = state.numbers[n];
    one_step::infer(before, after);
    for (std::size_t n = 0; n < STATES; n++) state.numbers[n] = after[n] * FACTOR[n];
}}

void answer(const State &state, word *outputs) {{
    ending::infer(state.numbers + {steps.first}, outputs);
}}

void infer(const word *steps, word *outputs) {{
    State state;
    for (std::size_t n = 0; n < STEPS; n++) advance(steps + ({number}) * FEATURES, state);
    answer(state, outputs);
}}
"""
    return "\n".join([*programs, body])


def _of_steps(steps: Steps) -> dict[str, str]:
    order = "its last step first" if steps.backwards else "its first step first"
    return {
        "ORDER": f"an event with {order}",
        "FEATURES": str(steps.features),
        "STEPS": str(steps.count),
        "STATES": str(len(steps.factors)),
        "BACKWARDS": "true" if steps.backwards else "false",
        "STEP_GRID": ",\n    ".join(_grid(steps.lane, (steps.features,))),
    }


def of_stages(stages: Sequence[Stage]) -> str:
    """Return tables and `infer` of a network of matrices."""
    tables, calls = [], []
    source, width = "x", len(stages[0].weight)
    for number, stage in enumerate(stages):
        name = f"stage{number}"
        relu = "true" if stage.relu else "false"
        calls.append(f"    // {stage.name}")
        if stage.scaling:
            tables.append(
                f"constexpr arithmetic::Scale<{width}> {name} = {{\n"
                f"    {_row(stage.weight)},\n    {_row(stage.bias)},\n}};"
            )
            outputs = padded = width
        else:
            if number == 0:
                calls += [
                    f"    alignas(64) std::int16_t entering[{width + width % 2}] = {{}};",
                    f"    for (int n = 0; n < {width}; n++)"
                    " entering[n] = static_cast<std::int16_t>(x[n]);",
                ]
                source = "entering"
            outputs = stage.weight.shape[1]
            padded = -(-outputs // _WIDTH) * _WIDTH
            tables.append(_dense(name, stage, width, padded))
        if stage.lane is None:
            calls += [
                f"    alignas(64) std::int32_t sums[{padded}];",
                f"    arithmetic::dense<{relu}>({name}, {source}, sums);",
                f"    for (int n = 0; n < {outputs}; n++) y[n] = sums[n];",
            ]
            break
        saturate = "false" if stage.lane.overflow == "WRAP" else "true"
        lane = [_row(_filled_up(part, padded)) for part in stage.constants().values()]
        rows = ",\n    ".join(lane)
        tables.append(f"constexpr arithmetic::Lane<{padded}> {name}_lane = {{\n    {rows},\n}};")
        result = f"y{number}"
        kind = "scale" if stage.scaling else "dense"
        ties = "EVEN" if stage.lane.rounding == "RND_CONV" else "UP"
        what = f"{relu}, {saturate}, arithmetic::Ties::{ties}"
        calls += [
            f"    alignas(64) std::int16_t {result}[{padded + padded % 2}]"
            f"{' = {}' if padded % 2 else ''};",
            f"    arithmetic::{kind}<{what}>({name}, {name}_lane, {source}, {result});",
        ]
        source, width = result, outputs
    body = ["void infer(const word *x, word *y) {", *calls, "}"]
    return "\n".join(["namespace {", *tables, "}  // namespace", "", *body, ""])


def _dense(name: str, stage: Stage, width: int, padded: int) -> str:
    inputs = width + width % 2
    weight = np.zeros((inputs, padded), np.int64)
    weight[: len(stage.weight), : stage.weight.shape[1]] = stage.weight
    pairs = weight.reshape(-1, 2, padded).transpose(0, 2, 1)
    rows = ",\n     ".join(
        "{" + ", ".join(f"{{{pair[0]}, {pair[1]}}}" for pair in row) + "}" for row in pairs
    )
    bias = _row(_filled_up(stage.bias, padded))
    kind = f"alignas(64) constexpr arithmetic::Dense<{inputs}, {padded}>"
    return f"{kind} {name} = {{\n    {{{rows}}},\n    {bias},\n}};"


def _filled_up(values: np.ndarray, size: int) -> np.ndarray:
    return np.concatenate([values, np.zeros(size - len(values), np.int64)])


def _grid(lane: Lane, shape: tuple[int, ...]) -> Iterable[str]:
    """Yield the parts of `entrance.h`'s `Grid`, in float32 as the quantizer computes them."""
    one = np.float32
    k, i, f = (
        np.broadcast_to(part, (1, *shape)).ravel().astype(one) for part in (lane.k, lane.i, lane.f)
    )
    alive = k + i + f > 0
    i = np.maximum(i, -f)
    scale, span = np.exp2(f), np.exp2(i)
    high = span - one(1) / scale
    low = -k * (high if lane.overflow == "SAT_SYM" else span)
    half, period = k * np.exp2(i + k - one(1)), np.where(alive, np.exp2(i + k), one(0))
    # Wider lanes are left to float32 itself.
    limit = np.where(alive & (k + i + f > 23) & (lane.overflow != NEAR), 0.0, LARGEST)
    # What is not looked at is refused where it is not finite, and for nothing else.
    counted = np.where(alive | (lane.overflow != NEAR), scale, one(0))
    for part in (counted, low, high, half, period, limit):
        yield _floats(part)
    bits = np.where(alive, k + i + f, 0).astype(np.int64)
    if lane.wraps:
        yield _row(np.where((k > 0) & alive, 1 << np.maximum(bits - 1, 0), 0))
        yield _row((1 << bits) - 1)
    else:
        for end in (low, high):
            steps = np.where(alive, end.astype(np.float64) * scale.astype(np.float64), 0)
            yield _row(steps.astype(np.int64))


def _filled(text: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(f"@{name}@", value)
    return text


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _floats(values: np.ndarray) -> str:
    return "{" + ", ".join(f"{float(value).hex()}f" for value in values) + "}"


def _row(values: np.ndarray) -> str:
    return "{" + ", ".join(str(int(value)) for value in values) + "}"
