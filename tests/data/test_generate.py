"""The generators' job: the same events from anything that does the work, none lost, none twice."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numbered
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from hepnn import declarations, files
from hepnn.data import generate
from hepnn.data.card import Card
from hepnn.data.generate import cluster, declaration, gather, job, settings, store
from hepnn.data.generate.chunk import Chunk, chunk_seed, cut
from hepnn.data.generate.work import Work, encoded, shard
from hepnn.declarations import Declaration
from hepnn.errors import DataError, MissingDependency, RecipeError
from hepnn.recipe import parse_override

FILES = ("sample.parquet", "hits/sample.parquet", "dataset.yaml", "hits/dataset.yaml")
EVENTS = 2 * numbered.Settings().per_class

# The command line with the tests' kind in its table.
COMMAND = (
    "import sys; from hepnn.data import generate; generate.GENERATORS['numbered'] = 'numbered';"
    "from hepnn.cli import main; sys.argv[0] = 'hepnn'; main()"
)


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setitem(generate.GENERATORS, "numbered", "numbered")


@pytest.fixture
def out(tmp_path):
    return folder(tmp_path / "out")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make the numbered events with one process."""
    out = folder(tmp_path_factory.mktemp("made") / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generate.GENERATORS, "numbered", "numbered")
        job.make("numbered", out, processes=1)
    return out


def folder(path: Path) -> Path:
    path.mkdir()
    (path / "numbers.txt").write_text("2.0\n")
    return path


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", COMMAND, "data", "make", "numbered", *map(str, arguments)]


def environment(**variables: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(numbered.__file__).parent)} | variables


# The same from one process, two, and a cluster


def test_every_event_is_there_once_and_shuffled(made):
    event = pq.read_table(made / "sample.parquet")["event"].to_numpy()
    assert sorted(event) == list(range(EVENTS))
    order = np.random.default_rng(1).permutation(EVENTS)
    assert event.tolist() == order.tolist()
    hits = pq.read_table(made / "hits" / "sample.parquet")
    assert sorted(hits["event"].to_pylist()) == [*range(10), *range(60, 70)]
    lengths = [len(values) for values in hits["hits"].to_pylist()]
    assert lengths == [event % 4 for event in hits["event"].to_pylist()]
    assert not (made / job.UNFINISHED).exists()


def test_events_are_those_of_the_chunks_seeds(made):
    table = pq.read_table(made / "sample.parquet").sort_by("event")
    chunk = Chunk("even-0002", 2, 1, 10)
    seed = np.random.SeedSequence([1, 1, 2]).generate_state(1, np.uint64)[0] % 900_000_000 + 1
    assert chunk_seed(1, chunk) == seed
    expected = np.random.default_rng(int(seed)).normal(0.0, 2.0, 10)
    np.testing.assert_allclose(table["x"].to_numpy()[80:90], expected, rtol=2**-13)


def test_two_processes_make_the_same_files_as_one(made, out):
    job.make("numbered", out, processes=2)
    assert contents(out) == contents(made)


def test_another_seed_makes_other_events(made, out):
    job.make("numbered", out, seed=2, processes=1)
    ours, theirs = (pq.read_table(path / "sample.parquet").sort_by("event") for path in (out, made))
    assert ours["event"].equals(theirs["event"])
    assert not np.isin(ours["x"].to_numpy(), theirs["x"].to_numpy()).any()


def test_a_cluster_of_two_with_one_killed_makes_the_same_files(made, out, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="needs the extra 'scale'")
    marker = tmp_path / "killed"
    monkeypatch.setenv(numbered.KILL, str(marker))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as two:
        job.make("numbered", out, dask=two.scheduler_address)
    assert marker.exists()
    assert contents(out) == contents(made)


def test_a_local_cluster_makes_the_same_files_and_keeps_stdout_for_results(made, out):
    pytest.importorskip("distributed", reason="needs the extra 'scale'")
    done = subprocess.run(
        command("--out", out, "--dask", "local", "--processes", "1"),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{out}\n"), done.stderr
    assert contents(out) == contents(made)


# Broken off


def test_a_killed_process_gives_one_line_and_the_job_goes_on(made, out, tmp_path, monkeypatch):
    monkeypatch.setenv(numbered.KILL, str(tmp_path / "killed"))
    with pytest.raises(DataError, match="unfinished: a generating process died; the same command"):
        job.make("numbered", out, processes=1)
    finished = shard(out / job.UNFINISHED, "", Chunk("odd-0000", 0, 0, 10))
    before = finished.stat().st_mtime_ns
    kept = []
    monkeypatch.setattr(job, "remove", lambda folder: kept.append(finished.stat().st_mtime_ns))
    job.make("numbered", out, processes=1)
    assert kept == [before]
    assert contents(out) == contents(made)


@pytest.mark.parametrize(
    ("send", "end"),
    [(os.killpg, signal.SIGINT), (os.kill, signal.SIGINT), (os.kill, signal.SIGKILL)],
)
def test_ctrl_c_or_a_kill_leaves_no_process_behind(made, out, tmp_path, send, end):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    job_process = subprocess.Popen(
        command("--out", out, "--processes", "1"),
        env=environment(**{numbered.WAIT: str(fifo)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Started in the background, the tests themselves ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with fifo.open("rb", buffering=0) as worker:
        assert worker.readline() == b"begun\n"
        send(job_process.pid, end)
        gone, _, _ = select.select([worker], [], [], 60)
        assert gone, "the worker lives on"
        assert worker.read(1) == b""  # its end of the line is closed
    stdout, stderr = job_process.communicate()
    assert stdout == ""
    assert "Traceback" not in stderr
    if end == signal.SIGINT:
        assert job_process.returncode == 128 + end
        assert stderr.splitlines()[-1] == f"{out}: broken off; the same command goes on from there"
    job.make("numbered", out, processes=1)
    assert contents(out) == contents(made)


def test_a_partial_file_of_a_killed_job_is_no_shard(made, out, monkeypatch):
    monkeypatch.setattr(job, "remove", lambda folder: None)
    job.make("numbered", out, processes=1)
    lost = shard(out / job.UNFINISHED, "", Chunk("even-0001", 1, 1, 10))
    lost.rename(lost.with_name(".even-0001.killed.parquet"))
    (out / "sample.parquet").unlink()
    monkeypatch.undo()
    generate.GENERATORS["numbered"] = "numbered"
    try:
        job.make("numbered", out, processes=1)
    finally:
        del generate.GENERATORS["numbered"]
    assert contents(out) == contents(made)
    assert not (out / job.UNFINISHED).exists()


def test_a_damaged_shard_is_named(out, monkeypatch):
    monkeypatch.setattr(job, "remove", lambda folder: None)
    job.make("numbered", out, processes=1)
    path = shard(out / job.UNFINISHED, "", Chunk("even-0001", 1, 1, 10))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"even-0001\.parquet: damaged"):
        job.make("numbered", out, processes=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 2}, "with seed 1, wanted 2"),
        ({"overrides": {"mean": 1.0}}, r"with settings\.mean 0\.0, wanted 1\.0"),
    ],
)
def test_an_unfinished_job_of_other_settings_is_refused(out, monkeypatch, change, message):
    monkeypatch.setattr(job, "remove", lambda folder: None)
    job.make("numbered", out, processes=1)
    with pytest.raises(DataError, match=f"unfinished numbered {message}"):
        job.make("numbered", out, processes=1, **change)
    with monkeypatch.context() as patch:
        patch.setattr(numbered, "SIZE", 20)
        with pytest.raises(DataError, match=r"with chunks\.odd-0000 10, wanted 20"):
            job.make("numbered", out, processes=1)
    (out / "numbers.txt").write_text("3.0\n")
    with pytest.raises(DataError, match=r"cards\.numbers\.txt"):
        job.make("numbered", out, processes=1)


def test_two_jobs_do_not_share_a_folder(out):
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(DataError, match="another job is at work"):
        job.make("numbered", out, processes=1)
    os.close(handle)
    assert [path.name for path in out.iterdir()] == ["numbers.txt"]


# The dataset's folder


def test_made_folders_are_datasets(made):
    for name, key in (("numbered", ""), ("numbered/hits", "hits")):
        path = made / key / "dataset.yaml"
        card = declarations.parse(Card, declarations.read_yaml(path), path)
        assert card.name == name
        assert card.source.files == ["sample.parquet"]
        for file, promised in card.checksums.items():
            assert files.sha256(made / key / file) == promised
        assert card.made_by["command"] == "hepnn data make numbered --seed 1 --out DIR"
        assert card.made_by["settings"] == {"per_class": 60, "mean": 0.0, "flavour": "plain"}
        assert set(card.made_by["versions"]) == {"numpy"}
    assert "numbers.txt" in yaml.safe_load((made / "dataset.yaml").read_text())["checksums"]


def test_a_large_set_stays_in_shards(made, out, monkeypatch):
    monkeypatch.setattr(gather, "MERGED", EVENTS - 1)
    job.make("numbered", out, processes=1)
    card = declarations.parse(Card, declarations.read_yaml(out / "dataset.yaml"), out)
    assert card.source.files == ["shards/*.parquet"]
    shards = sorted(out.glob("shards/*.parquet"))
    names = {f"shards/{path.name}" for path in shards}
    assert names == set(card.checksums) - {"numbers.txt"}
    assert all(files.sha256(out / name) == card.checksums[name] for name in names)
    whole = pa.concat_tables(pq.read_table(path) for path in shards).sort_by("event")
    assert whole.equals(pq.read_table(made / "sample.parquet").sort_by("event"))
    assert (out / "hits" / "sample.parquet").exists()
    assert not (out / job.UNFINISHED).exists()
    monkeypatch.setattr(gather, "MERGED", EVENTS)
    job.make("numbered", out, processes=1)
    assert contents(out) == contents(made)
    assert not list(out.glob("shards/*"))


def test_author_words_survive_making_anew(out):
    job.make("numbered", out, processes=1)
    path = out / "dataset.yaml"
    content = yaml.safe_load(path.read_text())
    content |= {"title": "Mine", "limits": ["None."], "observers": []}
    path.write_text(yaml.safe_dump(content))
    job.make("numbered", out, seed=4, processes=1)
    renewed = yaml.safe_load(path.read_text())
    assert (renewed["title"], renewed["limits"]) == ("Mine", ["None."])
    assert renewed["observers"] == [{"name": "event"}]
    assert renewed["checksums"]["sample.parquet"] == files.sha256(out / "sample.parquet")
    assert renewed["made_by"]["seed"] == 4


def test_a_card_beyond_the_folder_is_not_removed(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "precious"
    inside.mkdir()
    outside.write_text("kept")
    (inside / "dataset.yaml").write_text("checksums: {../precious: abc}\n")
    declaration.write(inside, {"name": "x", "checksums": {}})
    assert outside.exists()


# Wrong use


def test_unknown_names_give_the_nearest(out):
    with pytest.raises(RecipeError, match="unknown generator 'jet'; did you mean 'jets'"):
        job.make("jet", out)
    with pytest.raises(
        RecipeError, match="--set: unknown key 'per_clas'; did you mean 'per_class'"
    ):
        job.make("numbered", out, overrides={"per_clas": 3})
    with pytest.raises(RecipeError, match="--set: per_class: Input should be greater"):
        job.make("numbered", out, overrides={"per_class": 0})
    assert [path.name for path in out.iterdir()] == ["numbers.txt"]


@pytest.mark.parametrize("wrong", [{"processes": 0}, {"seed": -1}])
def test_numbers_that_make_no_sense_are_refused(out, wrong):
    with pytest.raises(DataError):
        job.make("numbered", out, **wrong)


def test_a_missing_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setattr(numbered, "PACKAGES", ("no_such_generator",))
    with pytest.raises(MissingDependency, match=r"pip install 'hepnn\[hep\]'"):
        job.make("numbered", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_of_the_kind_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no file numbers\.txt for numbered"):
        job.make("numbered", tmp_path / "out")


def test_a_kind_whose_card_is_wrong_makes_nothing(out, monkeypatch):
    monkeypatch.setattr(numbered, "cards", lambda settings: {"": {"title": "x", "inptus": {}}})
    with pytest.raises(RecipeError, match=r"dataset\.yaml: unknown key 'inptus'"):
        job.make("numbered", out)
    assert [path.name for path in out.iterdir()] == ["numbers.txt"]


def test_missing_dask_names_the_extra(out, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependency, match=r"pip install 'hepnn\[scale\]'"):
        job.make("numbered", out, dask="local")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://here"])
def test_no_scheduler_gives_one_line(out, monkeypatch, address):
    pytest.importorskip("distributed", reason="needs the extra 'scale'")
    monkeypatch.setattr(cluster, "PATIENCE", 0.1)
    with pytest.raises(DataError, match=f"no Dask scheduler at {address}"):
        job.make("numbered", out, dask=address)
    # Nothing was made, so that another job may be begun.
    with pytest.raises(DataError, match="no Dask scheduler"):
        job.make("numbered", out, seed=2, dask=address)


def test_a_worker_of_other_versions_is_refused(out):
    work = Work("numbered", {}, 1, ("hits", ""))
    chunk = Chunk("odd-0000", 0, 0, 10)
    answer = encoded(work, chunk, {"numbers.txt": b"1"}, {"numpy": "0.1"})
    assert isinstance(answer, DataError)
    assert "begun with 0.1" in str(answer)
    good = encoded(work, chunk, {"numbers.txt": b"1"}, {"numpy": np.__version__})
    assert pq.read_table(pa.BufferReader(good[""])).num_rows == 10


# Pieces


def test_generators_are_listed_with_their_settings(monkeypatch, capsys):
    from hepnn.cli import looking

    monkeypatch.setattr(generate, "GENERATORS", {"numbered": "numbered"})
    looking.list_("generators", as_json=True)
    title, *rows = json.loads(capsys.readouterr().out)["generators"]
    assert (title["name"], title["description"]) == ("numbered", "Numbered events")
    assert {row["setting"]: row["default"] for row in rows} == {
        "per_class": 60, "mean": 0.0, "flavour": "plain",
    }  # fmt: skip


def test_every_generator_in_the_table_follows_the_protocol():
    """What the job relies on: of every kind, by being in the table."""
    for name in set(generate.GENERATORS) - {"numbered"}:
        kind = generate.get(name)
        chosen = kind.Settings()
        chunks = kind.chunks(chosen)
        assert len({chunk.name for chunk in chunks}) == len(chunks) > 0, name
        assert len({(chunk.label, chunk.number) for chunk in chunks}) == len(chunks), name
        assert all(field.description for field in kind.Settings.model_fields.values()), name
        for key, said in kind.cards(chosen).items():
            declaration.document(job.dataset_name(name, key), said, ["x"], {}, {})
        cards = declarations.root("datasets") / getattr(kind, "CARDS_FROM", name)
        assert all((cards / card).is_file() for card in kind.CARDS), name


def test_chunks_cover_the_request_once():
    chunks = [*cut("a", 2001, 1000), *cut("b", 1000, 1000, label=1)]
    assert [chunk.events for chunk in chunks] == [1000, 1000, 1, 1000]
    assert len({chunk.name for chunk in chunks}) == len(chunks)
    assert len({chunk_seed(1, chunk) for chunk in chunks}) == len(chunks)


def test_the_command_gives_the_settings_again():
    class Few(Declaration):
        events: int = 5
        word: str = "a"
        edges: list[float] = [1.0]

    chosen = Few(events=7, word="two words", edges=[0.5, 2.0])
    words = shlex.split(settings.command("few", chosen, 3))
    given = dict(parse_override(words[i + 1]) for i, word in enumerate(words) if word == "--set")
    assert Few(**given) == chosen
    assert words[:6] == ["hepnn", "data", "make", "few", "--seed", "3"]


def test_rounding_keeps_whole_numbers_and_twelve_bits():
    whole = np.arange(8193.0)
    assert (store.rounded(whole) == whole).all()
    values = np.random.default_rng(1).lognormal(0, 5, 10_000)
    assert np.abs(store.rounded(values) / values - 1).max() <= 2**-13 * (1 + 2**-10)
    assert (store.rounded(values).view(np.uint32) & 0x7FF == 0).all()


def test_stored_columns_come_back_with_their_shape(tmp_path):
    rng = np.random.default_rng(1)
    counts = np.array([0, 2, 1, 0, 3])
    stored = pa.table(
        {
            "flat": store.rounded(rng.normal(size=5)),
            "list": store.lists(rng.integers(0, 9, (5, 3))),
            "image": store.images(rng.integers(0, 255, (5, 4, 3, 2), dtype=np.uint8)),
            "jagged": store.jagged(np.arange(6.0), counts),
        }
    )
    store.write(stored, tmp_path / "t.parquet")
    read = pq.read_table(tmp_path / "t.parquet")
    assert read.equals(stored)
    assert np.array(read["image"].to_pylist()).shape == (5, 4, 3, 2)
    assert [len(values) for values in read["jagged"].to_pylist()] == counts.tolist()
    assert store.encode(stored) == (tmp_path / "t.parquet").read_bytes()
    with pytest.raises(ValueError, match="counts make 6"):
        store.jagged(np.arange(5), counts)


def test_a_large_table_is_written_in_groups_a_reader_can_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "BYTES_A_ROW_GROUP", 800)
    store.write(pa.table({"x": np.arange(250.0)}), tmp_path / "t.parquet")
    stored = pq.ParquetFile(tmp_path / "t.parquet")
    rows = [stored.metadata.row_group(i).num_rows for i in range(stored.num_row_groups)]
    assert rows == [100, 100, 50]
