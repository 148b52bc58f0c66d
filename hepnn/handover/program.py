"""`network.hpp` of an export with C++: names, units and order of what goes in, and the decision."""

from __future__ import annotations

from typing import Any

NAME = "network.hpp"

_LIBRARY = "import ai_edge_litert as l; print(l.__path__[0] + '/libLiteRt.so')"


def header(
    content: dict[str, Any],
    target: dict[str, Any],
    quantities: dict[str, Any],
    threshold: dict[str, Any] | None,
) -> str:
    """Return the generated header.

    Parameters
    ----------
    content, target, quantities
        `interface.json`, `target.json` and `quantities.json`.
    threshold
        `threshold`, `signal`, `score` as the run keeps them, and `outputs` of the task; None where
        there is none. Of a classifier alone it is applied.
    """
    form = content["forms"][0]
    size_in, size_out = _size(form["input"]["shape"]), _size(form["output"]["shape"])
    features = quantities["inputs"].get("features", [])
    names = quantities["outputs"].get("names") or []
    lines = [
        f"// Stage {target['stage']} of run {_comment(target['run'])}. Generated: do not edit.",
        "#pragma once",
        "",
        "#include <cmath>",
        "#include <cstddef>",
        "#include <initializer_list>",
        "",
        "namespace network {",
        "",
        "// Numbers of an event and of an answer; the last axis of an event has the features.",
        f"constexpr std::size_t inputs = {size_in}, outputs = {size_out};",
        *_strings("features", [one["name"] for one in features]),
        *_strings("units", [one.get("unit") or "1" for one in features]),
        *_strings("names", names),
        "",
        "// Of the largest output: how far an answer may be from the test vectors; 0: equal bits.",
        f"constexpr float tolerance = {float(content['program']['tolerance'])!r}f;",
        "",
        *_decision(size_out, names, threshold),
        "",
        "}  // namespace network",
        "",
    ]
    return "\n".join(lines)


def readme(content: dict[str, Any], threshold: dict[str, Any] | None) -> str:
    """Return what `README.md` says of building and trying the C++."""
    build = [
        f'cmake -B build -DLITERT_LIBRARY=$(python -c "{_LIBRARY}")',
        "cmake --build build",
        "ctest --test-dir build --output-on-failure",
        "build/trigger vectors/inputs.txt",
    ]
    if threshold is None:
        cut = (
            "The run has no threshold for this file, and every event is accepted: choose one with"
            " `hepnn trigger RUN --threshold background=0.01` and deploy again."
        )
    elif _applied(threshold):
        cut = f"An event is accepted where {threshold['score']} >= {threshold['threshold']!r}."
    else:
        cut = f"The run's threshold is on the {threshold['score']}, which is left to the host."
    return f"""## Build and test

With g++, CMake and `pip install 'ai-edge-litert==2.3.*'`, whose `libLiteRt.so` is linked:

    {chr(10).join("    " + line for line in build).strip()}

- `hepnn_litert.hpp` is the library, `{NAME}` the run's features, units, order and decision.
- `trigger.cpp` is an example: events in, decisions and their latency out.
- `hepnn_pool.hpp` keeps the five small blocks that LiteRT takes with each event; `network_test`
  counts what is left to be taken from the system's memory in its loop: nothing.
- The version of the library is checked when CMake runs and when a program starts.
- {cut}
"""


def _decision(outputs: int, names: list[str], threshold: dict[str, Any] | None) -> list[str]:
    if threshold is None or not _applied(threshold):
        said = "no threshold in network.hpp, all pass"
        return [
            f"constexpr const char* condition = {_quoted(said)};",
            "inline bool accept(const float*) { return true; }",
        ]
    signal = [names.index(name) for name in threshold["signal"]]
    kept = ", ".join(str(number) for number in signal)
    left = ", ".join(str(number) for number in range(len(names)) if number not in signal)
    logits = threshold["outputs"] == "logits"
    value = [f"answer[{number}]" for number in range(outputs)]
    if outputs == 1:  # that of the second class
        value = ["0.0" if logits else "1.0 - answer[0]", *value]
    lines = [
        f"// {_comment(threshold['score'])}, from the outputs of the network.",
        "inline double score(const float* answer) {",
        f"  const double value[] = {{{', '.join(value)}}};",
        "  double kept = 0.0;",
    ]
    if logits:
        lines += [
            "  double left = 0.0, largest = value[0];",
            "  for (double one : value) largest = std::fmax(largest, one);",
            f"  for (int n : {{{kept}}}) kept += std::exp(value[n] - largest);",
            f"  for (int n : {{{left}}}) left += std::exp(value[n] - largest);",
            "  return kept / (kept + left);",
        ]
    else:
        lines += [f"  for (int n : {{{kept}}}) kept += value[n];", "  return kept;"]
    cut = float(threshold["threshold"])
    condition = _quoted(f"{threshold['score']} >= {cut!r}")
    return [
        *lines,
        "}",
        f"constexpr double threshold = {cut!r};",
        f"constexpr const char* condition = {condition};",
        "inline bool accept(const float* answer) { return score(answer) >= threshold; }",
    ]


def _applied(threshold: dict[str, Any]) -> bool:
    """Return whether the cut is on the probability of classes, which the header can make."""
    return threshold.get("outputs") in ("logits", "probabilities")


def _strings(name: str, values: list[str]) -> list[str]:
    if not values:
        return []
    listed = [f"    {_quoted(value)}," for value in values]
    return [f"constexpr const char* {name}[] = {{", *listed, "};"]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else "?" for one in escaped) + '"'


def _comment(text: str) -> str:
    """Return a text that ends no comment and starts no line."""
    return "".join(one if one.isprintable() and one != "\\" else "?" for one in text)


def _size(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
