"""Calorimeter pictures: every jet in its box, no box cut by the seam, no energy lost."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hepnn import declarations
from hepnn.data.generate import calorimeter
from hepnn.data.generate.calorimeter.cards import CHANNELS, COLUMNS, ROWS
from hepnn.data.generate.calorimeter.seam import Rectangles, boxes_of, free_seams
from hepnn.data.generate.chunk import Chunk

COMMITTED = declarations.root("datasets") / "calorimeter"
LIGHT, B = 1, 2
EVENTS, SEED = 30, 5


@pytest.fixture(scope="module")
def hep():
    """Skip where the generators are not installed."""
    for package in calorimeter.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'hep')")


def few(events: int = EVENTS, masks: int = 10, seed: int = SEED, **changes):
    settings = calorimeter.Settings(events=events, segmentation=masks, **changes)
    chunk = Chunk("events-0000", 0, 0, events + masks)
    return calorimeter.generate(settings, chunk, seed, COMMITTED)


@pytest.fixture(scope="module")
def made(hep):
    """Generate a few events of both datasets."""
    return few()


@pytest.fixture(scope="module")
def seen(hep):
    """Return the detector's view of the events that are in `made`, and their records."""
    from hepnn.data.generate.calorimeter.events import DETECTOR, EVENTS_A_BATCH
    from hepnn.data.physics.detector import smear
    from hepnn.data.physics.events import Generator

    generator = Generator([COMMITTED / "top.cmnd"], SEED)
    record = next(generator.records(EVENTS_A_BATCH))
    return smear(generator.particles(record), np.random.default_rng(SEED), DETECTOR), record


def images(table: pa.Table) -> np.ndarray:
    """Fill the pictures `(events, rows, columns, channels)`."""
    lists = [table[name].combine_chunks() for name in ("row", "column", "channel", "pt")]
    event = np.repeat(np.arange(len(table)), np.diff(np.asarray(lists[0].offsets)))
    row, column, channel, pt = (np.asarray(one.flatten()) for one in lists)
    out = np.zeros((len(table), ROWS, COLUMNS, len(CHANNELS)))
    np.add.at(out, (event, row, column, channel), pt)
    return out


def fixed(table: pa.Table, name: str) -> np.ndarray:
    """Return a column of arrays of one shape."""
    column = table[name].combine_chunks()
    shape = [len(column)]
    while pa.types.is_fixed_size_list(column.type):
        shape.append(column.type.list_size)
        column = column.flatten()
    return np.asarray(column).reshape(shape)


# The seam


def test_a_box_is_the_smallest_around_its_cells():
    rng = np.random.default_rng(1)
    count, size = 300, 6
    first_row, first_column = rng.integers(0, ROWS - 8, count), rng.integers(0, COLUMNS, count)
    row = first_row[:, None] + rng.integers(0, 8, (count, size))
    turn = rng.integers(0, 20, (count, size))
    column = (first_column[:, None] + turn) % COLUMNS
    box = np.repeat(np.arange(count), size)
    shuffled = rng.permutation(count * size)
    found = boxes_of(row.ravel()[shuffled], column.ravel()[shuffled], box[shuffled], count)
    assert np.array_equal(found.row, row.min(axis=1))
    assert np.array_equal(found.height, np.ptp(row, axis=1) + 1)
    assert np.array_equal(found.column, (first_column + turn.min(axis=1)) % COLUMNS)
    assert np.array_equal(found.width, np.ptp(turn, axis=1) + 1)


def test_a_seam_is_free_where_it_cuts_no_box():
    rng = np.random.default_rng(2)
    count, events = 40, 12
    column, width = rng.integers(0, COLUMNS, count), rng.integers(1, 12, count)
    event = np.sort(rng.integers(0, events, count))
    one = np.ones(count, int)
    free = free_seams(Rectangles(one, column, one, width), event, events)
    for number in range(events):
        for seam in range(COLUMNS):
            cut = False
            for first, wide in zip(column[event == number], width[event == number], strict=True):
                covered = {(first + step) % COLUMNS for step in range(wide)}
                # Cut if the columns on both sides of the seam belong to the box.
                cut |= seam in covered and (seam - 1) % COLUMNS in covered
            assert free[number, seam] == (not cut)


def test_an_event_without_a_place_for_the_seam_is_left_out(hep):
    from hepnn.data.generate.calorimeter.events import Jets, Objects, table

    around = np.concatenate([np.arange(0, 33), np.arange(32, 65) % COLUMNS, [5]])
    size = len(around)
    objects = Objects(
        event=np.r_[np.zeros(size - 1, int), 1],
        row=np.full(size, 7),
        column=around,
        channel=np.zeros(size, int),
        pt=np.ones(size),
        jet=np.r_[np.zeros(33, int), np.ones(33, int), 2],
    )
    jets = Jets(event=np.array([0, 0, 1]), kind=np.array([0, 1, 1]))
    found = table(objects, jets, 2, 4, np.random.default_rng(1))
    assert len(found) == 1
    assert fixed(found, "boxes")[0, 0, 2:].tolist() == [1, 1, B]


def test_an_event_without_jets_has_no_box_and_an_empty_mask(hep):
    from hepnn.data.generate.calorimeter.events import Jets, Objects, table

    none = np.zeros(0, int)
    one = np.zeros(1, int)
    objects = Objects(one, one + 3, one + 9, one + 2, np.array([4.0]), one - 1)
    found = table(objects, Jets(none, none), 1, 4, np.random.default_rng(1))
    assert not fixed(found, "boxes").any() and not fixed(found, "mask").any()
    assert images(found)[0, 3, :, 2].sum() == 4


# Events


def test_pictures_hold_all_that_was_measured(made, seen):
    import awkward as ak

    objects, _ = seen
    filled = images(made[""])
    tracks = objects.charge != 0
    for channels, chosen in (([0], objects.id == 22), ([1], objects.id == 130), ([2, 3], tracks)):
        expected = ak.to_numpy(ak.sum(objects.pt * chosen, axis=1))[:EVENTS]
        assert np.allclose(filled[..., channels].sum(axis=(1, 2, 3)), expected, rtol=1e-3)


def test_b_jets_have_more_displaced_tracks_than_light_jets(made):
    filled, boxes = images(made[""]), fixed(made[""], "boxes")
    share = {LIGHT: [], B: []}
    for picture, some in zip(filled, boxes, strict=True):
        for row, column, height, width, kind in some[some[:, 4] > 0]:
            rows = slice(int(row - height / 2), int(row + height / 2))
            columns = slice(int(column - width / 2), int(column + width / 2))
            _, _, prompt, displaced = picture[rows, columns].sum(axis=(0, 1))
            share[kind].append(displaced / max(prompt + displaced, 1.0))
    assert np.mean(share[B]) > 3 * np.mean(share[LIGHT])


def test_cells_are_where_the_objects_are(made, seen):
    """Compare with a histogram, turned by what the seam took."""
    import awkward as ak

    objects, _ = seen
    for event, filled in enumerate(images(made[""])[:10].sum(axis=-1)):
        eta, phi, pt = (ak.to_numpy(getattr(objects[event], n)) for n in ("eta", "phi", "pt"))
        expected, *_ = np.histogram2d(
            eta,
            phi % (2 * np.pi),
            bins=(np.linspace(-3.2, 3.2, ROWS + 1), np.linspace(0, 2 * np.pi, COLUMNS + 1)),
            weights=pt,
        )
        turns = [np.roll(expected, -seam, axis=1) for seam in range(COLUMNS)]
        assert min(np.abs(turn - filled).max() / filled.max() for turn in turns) < 1e-3


def test_boxes_are_the_jets_of_fastjet(made, seen):
    import awkward as ak
    import fastjet

    from hepnn.data.physics.flavour import FLAVOURS, flavour

    objects, record = seen
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
    jets = fastjet.ClusterSequence(objects, definition).inclusive_jets(30.0)
    kinds = flavour(jets, record)
    boxes = fixed(made[""], "boxes")
    for event in range(EVENTS):
        chosen = abs(jets[event].eta) < 2.8
        some, kind = jets[event][chosen], ak.to_numpy(kinds[event][chosen])
        order = np.argsort(-ak.to_numpy(some.pt))
        mine = boxes[event][boxes[event][:, 4] > 0]
        expected = np.where(kind[order] == FLAVOURS.index("b"), B, LIGHT)
        assert mine[:, 4].tolist() == expected.tolist()
        # The axis lies in the box, up to the soft cells that pull the box and not the axis.
        axis = (ak.to_numpy(some.eta)[order] + 3.2) / 0.1
        assert np.all(np.abs(axis - mine[:, 0]) <= mine[:, 2] / 2 + 1e-6)


def test_no_box_leaves_the_picture_and_each_is_tight(made):
    filled = images(made[""]).sum(axis=-1)
    for picture, boxes in zip(filled, fixed(made[""], "boxes"), strict=True):
        assert np.all(np.diff((boxes[:, 4] > 0).astype(int)) <= 0), "padding comes last"
        for row, column, height, width, _ in boxes[boxes[:, 4] > 0]:
            top, left = row - height / 2, column - width / 2
            assert top >= 0 and left >= 0
            assert top + height <= ROWS and left + width <= COLUMNS
            assert top == int(top) and left == int(left) and width < 20 and height < 20
            part = picture[int(top) : int(top + height), int(left) : int(left + width)]
            for edge in (part[0], part[-1], part[:, 0], part[:, -1]):
                assert edge.any()


def test_masks_mark_what_boxes_hold(hep):
    """Make the same events once with boxes and once with masks."""
    with_boxes = few(events=20, masks=0)[""].slice(1)
    with_masks = few(events=1, masks=19)["segmentation"]
    assert with_boxes["pt"].equals(with_masks["pt"])
    boxes, masks = fixed(with_boxes, "boxes"), fixed(with_masks, "mask")
    filled = images(with_masks).sum(axis=-1)
    assert masks.shape == (19, ROWS, COLUMNS) and set(np.unique(masks)) == {0, LIGHT, B}
    for picture, mask, some in zip(filled, masks, boxes, strict=True):
        assert np.all(picture[mask > 0] > 0)
        covered = {kind: np.zeros((ROWS, COLUMNS), bool) for kind in (LIGHT, B)}
        for row, column, height, width, kind in some[some[:, 4] > 0]:
            rows = slice(int(row - height / 2), int(row + height / 2))
            columns = slice(int(column - width / 2), int(column + width / 2))
            covered[int(kind)][rows, columns] = True
            assert (mask[rows, columns] == kind).any()
        for kind in (LIGHT, B):
            assert np.all(covered[kind][mask == kind])


def test_events_go_to_one_dataset_each(hep):
    settings = calorimeter.Settings(events=250, segmentation=70)
    chunks = calorimeter.chunks(settings)
    assert [chunk.events for chunk in chunks] == [200, 120]
    made = calorimeter.generate(settings, chunks[1]._replace(events=60), SEED, COMMITTED)
    assert [len(made[""]), len(made["segmentation"])] == [50, 10]
    assert "mask" not in made[""].column_names
    assert "boxes" not in made["segmentation"].column_names


def test_the_hardest_jets_stay_where_boxes_are_few(made):
    two = fixed(few(boxes=2)[""], "boxes")
    all_boxes = fixed(made[""], "boxes")
    assert two.shape[1] == 2
    assert np.array_equal(two[:, :2, 4], all_boxes[:, :2, 4])


def test_the_same_arguments_give_the_same_rows(made):
    again, other = few(), few(seed=SEED + 1)
    for key, table in made.items():
        assert again[key].equals(table) and not other[key].equals(table)


# The committed sample


@pytest.mark.parametrize("key", ["", "segmentation"])
def test_the_samples_are_whole(key):
    table = pq.read_table(COMMITTED / key / "sample.parquet")
    settings = calorimeter.Settings()
    assert len(table) == (settings.segmentation if key else settings.events)
    assert np.asarray(table["pt"].combine_chunks().flatten()).min() > 0
    size = sum(path.stat().st_size for path in COMMITTED.rglob("*.parquet"))
    assert size < 4e6


@pytest.mark.parametrize(("name", "column"), [("", "boxes"), ("segmentation", "mask")])
def test_the_cards_fill_the_pictures(hep, name, column):
    from hepnn.data import dataset, reading

    table = pq.read_table(COMMITTED / name / "sample.parquet").slice(0, 20)
    loaded = reading.read(dataset.open_dataset(COMMITTED / name))
    # The card gives the network the inverse hyperbolic sine of the momenta.
    assert np.allclose(loaded.x[:20], np.arcsinh(images(table)), atol=1e-5)
    assert np.array_equal(loaded.y[:20], fixed(table, column))
