"""Streams with real workers: files out, workers killed, models replaced. No time is measured."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hepnn
from hepnn.errors import RecipeError, RunError
from hepnn.run import Run
from hepnn.trigger import command, rows, source, stream, thresholds
from hepnn.trigger.loop import Loop
from hepnn.trigger.menu import Menu
from hepnn.trigger.overload import Waiting
from hepnn.trigger.pool import Answers, Pool
from hepnn.trigger.stream import Settings


@pytest.fixture(scope="module")
def ready(shipped: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run with a threshold."""
    import shutil

    from hepnn.run import open_run

    path = tmp_path_factory.mktemp("ready") / "clouds"
    shutil.copytree(shipped.path, path)
    command.threshold(str(path), "background=0.1", signal=["high"])
    return open_run(path)


@pytest.fixture(scope="module")
def menu(ready: Run) -> Menu:
    return command.menu_of(str(ready))


def test_accepted_events_are_those_that_the_network_accepts(
    ready: Run, menu: Menu, tmp_path: Path
) -> None:
    settings = Settings(arrivals="fast", output=tmp_path / "a.parquet", seed=4, events=2500)
    document = stream.stream(menu, "generator", settings)
    assert document["account"]["balances"] and document["holds"], document["faults"]
    rows = pq.read_table(tmp_path / "a.parquet").to_pydict()
    drawn = source.opened("generator", menu, 4)
    place = drawn.row(np.arange(2500))
    trigger = hepnn.trigger.load(ready)
    expected = np.flatnonzero(trigger.decide(drawn.x[place]))
    np.testing.assert_array_equal(np.sort(rows["number"]), expected)
    assert document["account"]["accepted"] == len(expected) == document["output"]["written"]
    x = drawn.x[place[rows["number"]]]
    np.testing.assert_array_equal(rows["mass"], x[:, 0])
    np.testing.assert_allclose(rows["score_high"], trigger.score(x), rtol=1e-13)
    assert min(rows["latency_ns"]) > 0


def test_a_killed_worker_loses_nothing(menu: Menu) -> None:
    killed: list[int] = []

    def during(loop: Loop) -> None:
        decided = sum(loop.tally.account.counts.values())
        if len(killed) < 2 and decided > 3000 * (1 + len(killed)) and loop.workers.held:
            victim = loop.workers.processes[0]  # type: ignore[attr-defined]
            if victim not in killed:
                os.kill(victim, signal.SIGKILL)
                killed.append(victim)

    settings = Settings(arrivals="fast", workers=2, events=20_000)
    document = stream.stream(menu, "generator", settings, during=during)
    assert len(killed) == 2 and document["workers_replaced"] == 2
    account = document["account"]
    assert account["balances"] and account["in"] == 20_000 and account["failed"] == 0


def test_a_replaced_model_is_taken_only_if_it_is_whole(own: Run) -> None:
    command.threshold(str(own), "background=0.1", signal=["high"])

    def read() -> Menu:
        return command.menu_of(str(own))

    done: list[str] = []

    def during(loop: Loop) -> None:
        decided = sum(loop.tally.account.counts.values())
        if not done and decided > 1000:
            path = own.exports("quantized") / "tflite" / "model.tflite"
            content = path.read_bytes()
            path.write_bytes(content[:-7] + b"damaged")
            loop.reload(read)
            path.unlink()
            loop.reload(read)
            path.write_bytes(content)
            kept = json.loads((own.path / thresholds.FILE).read_text())
            kept["quantized/tflite"]["vectors"]["outputs"][0][0] += 1
            (own.path / thresholds.FILE).write_text(json.dumps(kept))
            loop.reload(read)
            kept["quantized/tflite"]["vectors"]["outputs"][0][0] -= 1
            kept["quantized/tflite"]["threshold"] = 2.0
            (own.path / thresholds.FILE).write_text(json.dumps(kept))
            loop.reload(read)
            done.append("reloaded")

    settings = Settings(arrivals="fast", events=30_000)
    document = stream.stream(read(), "generator", settings, during=during)
    assert document["reloads"] == {"done": 1, "refused": 3}
    account = document["account"]
    assert account["balances"]
    # Nothing scores above 2.
    assert 0 < document["efficiency"]["of_decided"]["value"] < 0.3


def test_a_full_disk_stops_or_is_counted(menu: Menu) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")

    class Full:
        def __init__(self, path: Path) -> None:
            self._file = os.open("/dev/full", os.O_WRONLY)

        def write(self, columns: dict[str, np.ndarray]) -> None:
            os.write(self._file, b"x")

        def close(self) -> None:
            os.close(self._file)

    from hepnn.trigger import sink

    for on_sink in ("stop", "go-on"):
        settings = Settings(
            arrivals="fast", events=40_000, output=Path("never.parquet"), on_sink=on_sink
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sink.WRITERS, ".parquet", Full)
            patch.setattr(sink, "ROWS", 100)
            document = stream.stream(menu, "generator", settings)
        assert document["account"]["balances"] and not document["holds"]
        assert "the disk is full" in document["output"]["failed"]
        assert document["output"]["written"] == 0
        assert document["output"]["lost"] == document["account"]["accepted"] > 0
        assert not Path("never.parquet").exists()


def test_drift_is_an_alarm(ready: Run, menu: Menu) -> None:
    events = ready.events("test")
    settings = Settings(arrivals="fast")
    same = source.of_events(events.x, menu)
    assert stream.stream(menu, same, settings)["monitoring"]["alarms"] == []
    shifted = events.x + np.array([0, 0.05, 0, 0], np.float32)
    document = stream.stream(menu, source.of_events(shifted, menu), settings)
    assert not document["holds"]
    alarms = document["monitoring"]["alarms"]
    assert [one for one in alarms if one.startswith("feature")][0].startswith("feature width")
    assert sum(one.startswith("feature") for one in alarms) == 1
    found = document["monitoring"]["features"]["width"]
    assert sum(found["counts"]) == len(events.x) and len(found["counts"]) == 10


def test_malformed_events_of_a_file(ready: Run, menu: Menu, tmp_path: Path) -> None:
    x = ready.events("test").x[:200].copy()
    x[3, 1], x[9, 2] = np.nan, np.inf
    columns = dict(zip(menu.features, x.T, strict=True))
    mass = columns["mass"].tolist()
    mass[20] = None
    pq.write_table(pa.table({**columns, "mass": mass}), tmp_path / "events.parquet")
    settings = Settings(arrivals="fast")
    account = stream.stream(menu, str(tmp_path / "events.parquet"), settings)["account"]
    assert account["balances"] and account["in"] == 200 and account["failed"] == 3
    good = x[0]
    named = dict(zip(menu.features, good.tolist(), strict=True))
    mixed = [good, good[:2], {**named, "mass": None}, "text", named, [np.nan] * 4]
    account = stream.stream(menu, source.of_events(mixed, menu), settings)["account"]
    assert account["balances"] and account["failed"] == 4
    assert account["reasons"] == {
        "failed: wrong length": 1,
        "failed: feature mass is missing": 1,
        "failed: no array of numbers": 1,
        "failed: not finite": 1,
    }


def test_a_shadow_decides_nothing_and_its_disagreements_are_kept(ready: Run, menu: Menu) -> None:
    beside = command.menu_of(str(ready), shadow=f"{ready.path}/float")
    settings = Settings(arrivals="fast", events=5000)
    alone = stream.stream(menu, "generator", settings)
    both = stream.stream(beside, "generator", settings)
    assert both["account"]["accepted"] == alone["account"]["accepted"]
    drawn = source.opened("generator", menu)
    x = drawn.x[drawn.row(np.arange(5000))]
    exact, shadow = (item.trigger for item in beside.items)
    assert shadow.export.stage == "float"
    others = np.flatnonzero(exact.decide(x) != shadow.decide(x))
    assert both["shadow"]["disagreements"] == len(others) > 0
    kept = [one["number"] for one in both["shadow"]["first"]]
    np.testing.assert_array_equal(np.sort(kept), others)


def hepnn_trigger(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "hepnn.cli", "trigger", *arguments]
    return subprocess.run(line, capture_output=True, text=True)


def test_the_command(own: Run, tmp_path: Path) -> None:
    done = hepnn_trigger(str(own), "--threshold", "background=0.1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["signal"] == ["high"]
    where = tmp_path / "out.root"
    done = hepnn_trigger(
        str(own), "--source", "generator", "--arrivals", "bunches", "--rate", "20000",
        "--events", "3000", "--deadline", "1000", "--output", str(where), "--json",
        "--plot", str(tmp_path / "p.svg"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    account = document["account"]
    assert account["in"] == 3000 == sum(account[fate] for fate in ("accepted", "rejected"))
    import uproot

    with uproot.open(where) as file:
        assert file["accepted"].num_entries == account["accepted"]
    assert (tmp_path / "p.svg").stat().st_size > 5000
    done = hepnn_trigger(str(own), "--source", "generator", "--arrivals", "fast")
    assert "rejected + 0 dropped + 0 failed: balances" in done.stdout.splitlines()[-1]


def test_signals_reload_and_end_a_stream_without_end(ready: Run, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "hepnn.cli", "trigger", str(ready), "--source", "generator"]
    line += ["--arrivals", "fast", "--events", "0", "--output", str(tmp_path / "a.parquet")]
    with subprocess.Popen(
        [*line, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        for sent, awaited in (
            (signal.SIGHUP, "running"),
            (signal.SIGINT, "reloaded"),
            (None, "stopping: SIGINT"),
        ):
            assert any(awaited in said for said in process.stderr)
            if sent is not None:
                process.send_signal(sent)
        document = json.loads(process.stdout.read())
        process.stderr.read()
    assert process.returncode == 0
    assert document["account"]["balances"] and document["reloads"] == {"done": 1, "refused": 0}
    assert document["stopped"] == "SIGINT"
    written = pq.read_metadata(tmp_path / "a.parquet").num_rows
    assert written == document["account"]["accepted"] > 0


def test_metrics_are_what_prometheus_reads() -> None:
    exposition = pytest.importorskip("prometheus_client.exposition")
    parser = pytest.importorskip("prometheus_client.parser")
    from hepnn.trigger import watch

    values = [float(number) for number in range(1, 1 + len(watch.NUMBERS))]
    text = exposition.generate_latest(watch.metrics(values)).decode()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    numbers = dict(zip(watch.NUMBERS, values, strict=True))
    assert found["hepnn_trigger_events_total", "dropped"] == numbers["dropped"]
    assert found["hepnn_trigger_in_total",] == numbers["in"]
    assert found["hepnn_trigger_latency_seconds", "p99"] == pytest.approx(numbers["p99"] * 1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "generator"], "no threshold is stored"),
        (["--threshold", "background=2"], "between 0 and 1"),
        (["--threshold", "background=0.1", "--signal", "hihg"], "did you mean 'high'"),
        (["--threshold", "score=0.5", "--stage", "pruned"], "hepnn deploy"),
    ],
)
def test_mistakes_are_one_line(own: Run, arguments: list[str], message: str) -> None:
    done = hepnn_trigger(str(own), *arguments)
    assert done.returncode == 2
    assert message in done.stderr.strip().splitlines()[-1]


def test_settings_that_do_not_fit_are_refused(menu: Menu, tmp_path: Path) -> None:
    for settings, message in (
        (Settings(), "--rate"),
        (Settings(arrivals="poison"), "did you mean 'poisson'"),
        (Settings(arrivals="fast", policy="drop-old"), "did you mean 'drop-oldest'"),
        (Settings(arrivals="bunches", rate=4e7), "at most"),
        (Settings(arrivals="fast", output=tmp_path / "a.txt"), ".parquet or .root"),
        (Settings(arrivals="fast", plot=tmp_path / "p.swg"), "no pictures of this kind"),
    ):
        with pytest.raises(hepnn.HepnnError, match=message):
            stream.stream(menu, "generator", settings)
    for wrong, message in (
        ({"on_sink": "goon"}, "did you mean 'go-on'"),
        ({"workers": 0}, "workers: 0, at least 1"),
        ({"queue": 0}, "queue: 0, at least 1"),
        ({"events": -1}, "events: -1, at least 0"),
        ({"deadline": float("nan")}, "deadline: nan, at least 0"),
    ):
        with pytest.raises(RecipeError, match=message):
            Settings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(RunError):
        command.menu_of(str(tmp_path))


def test_a_menu_is_taken_by_a_worker_that_has_nothing_to_do(menu: Menu) -> None:
    (item,) = menu.items
    x = np.zeros((8, *menu.shape), np.float32)
    expected = menu.score(x)[:, 0]
    pool = Pool(menu, lambda row: x[row], workers=1)
    try:
        pool.wait()
        # Larger than what a pipe holds, so that it has to be read before `reload` returns.
        large = Menu([replace(item, name="n" * 300_000)])
        telling = threading.Thread(target=pool.reload, args=(large, 1), daemon=True)
        telling.start()
        telling.join(60)
        assert not telling.is_alive() and pool.oldest == 1
        waiting = Waiting.of(np.arange(8), 0, np.arange(8))
        assert pool.put(lambda most: waiting, 8) == 8
        assert pool.oldest == 0  # as far as is known
        answers: list[Answers] = []
        while not answers:
            answers = pool.collect()
        found = answers[0]
        assert set(found.generation.tolist()) == {1} and pool.oldest == 1
        np.testing.assert_allclose(found.scores[:, 0], expected[: len(found.events)], rtol=1e-13)
    finally:
        pool.stop()


def test_a_stream_that_is_broken_off_leaves_the_output_that_was_there(
    menu: Menu, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"of yesterday")

    def during(loop: Loop) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        settings = Settings(arrivals="fast", output=path)
        stream.stream(menu, "generator", settings, during=during)
    assert path.read_bytes() == b"of yesterday" and list(tmp_path.iterdir()) == [path]


def test_a_picture_that_cannot_be_written_costs_no_numbers(menu: Menu, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(arrivals="fast", events=100, plot=tmp_path / "file" / "p.svg")
    document = stream.stream(menu, "generator", settings)
    assert document["account"]["balances"] and document["account"]["in"] == 100
    assert not document["holds"] and "cannot be written" in document["faults"][-1]


def test_sequences_by_name_are_taken_feature_by_feature() -> None:
    menu = SimpleNamespace(features=("pt", "eta"), shape=(2, 2))
    named = {"eta": [3.0, 4.0], "pt": np.array([1.0, 2.0])}
    found = source.of_events([named, {**named, "pt": [1.0]}, {"pt": 1.0}], menu)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.x[0], [[1, 3], [2, 4]])
    assert found.faults == ["no array of numbers", "feature eta is missing"]


def test_a_port_that_is_taken_is_refused() -> None:
    pytest.importorskip("prometheus_client")
    from hepnn.trigger import watch

    with (
        socket.create_server(("", 0)) as taken,
        pytest.raises(RecipeError, match="no port to be had"),
    ):
        watch.started(taken.getsockname()[1], None)


def test_a_feature_of_the_name_of_another_column_is_refused() -> None:
    menu = SimpleNamespace(features=("mass", "label"), shape=(2,), names=["a"])
    with pytest.raises(RecipeError, match="feature label has the name of a column"):
        rows.insist_on_names(menu)  # type: ignore[arg-type]
    menu.shape = (3, 2)  # where features are no columns
    rows.insist_on_names(menu)  # type: ignore[arg-type]
