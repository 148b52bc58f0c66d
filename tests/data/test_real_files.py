"""Cards of real files give what uproot and awkward give, written out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hepnn.data import dataset as datasets
from hepnn.data import division, inspect, reading
from hepnn.errors import DataError
from hepnn.run import Events

SHARED = Path(
    os.environ.get("HEPNN_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data")
)
ZMUMU = SHARED / "uproot-Zmumu.root"
HZZ = SHARED / "uproot-HZZ.root"
NANOAOD = SHARED / "nanoAOD_2015_CMS_Open_Data_ttbar.root"

uproot = pytest.importorskip("uproot")
ak = pytest.importorskip("awkward")

needs_data = pytest.mark.skipif(not ZMUMU.exists(), reason="the shared data are not there")


def write(folder: Path, file: Path, **card: Any) -> Path:
    source = {"format": "root", "files": [str(file)], **card.pop("source", {})}
    whole = {"name": "real", "title": "Real", "source": source, "licence": "BSD-3-Clause", **card}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(whole))
    return folder


Z_CARD: dict[str, Any] = {
    "selection": "(pt1 > 5) & (pt2 > 5)",
    "new_variables": {
        "pair": "p4_xyz(px1, py1, pz1, E1) + p4_xyz(px2, py2, pz2, E2)",
        "d_phi": "delta_phi(phi1, phi2)",
    },
    "inputs": {
        "muons": {
            "features": [
                {"name": "pt1", "unit": "GeV", "scaling": "log"},
                {"name": "d_eta", "expression": "eta1 - eta2"},
                {"name": "d_phi", "unit": "rad"},
                {"name": "pt2", "clip": [10, 50], "scaling": "asinh"},
            ]
        }
    },
    "labels": {"where": {"outside": "abs(pair.mass - 91.2) > 10", "z": "pair.mass > 0"}},
    "observers": [{"name": "M"}, {"name": "mass", "expression": "pair.mass"}],
    "splits": {"by": "hash", "of": ["Run", "Event"]},
}


@needs_data
def test_a_z_candidate_classifier(tmp_path: Path) -> None:
    data = datasets.open_dataset(write(tmp_path, ZMUMU, **Z_CARD))
    events = reading.read(data)
    with uproot.open(ZMUMU) as file:
        flat = file["events"].arrays(library="np")
    keep = (flat["pt1"] > 5) & (flat["pt2"] > 5)
    flat = {name: values[keep] for name, values in flat.items()}
    d_phi = (flat["phi1"] - flat["phi2"] + np.pi) % (2 * np.pi) - np.pi
    expected = np.stack(
        [
            np.log(flat["pt1"]),
            flat["eta1"] - flat["eta2"],
            d_phi,
            np.arcsinh(np.clip(flat["pt2"], 10, 50)),
        ],
        axis=1,
    )
    np.testing.assert_allclose(events.x, expected, rtol=1e-6, atol=1e-6)
    energy = flat["E1"] + flat["E2"]
    momentum = [flat[f"p{axis}1"] + flat[f"p{axis}2"] for axis in "xyz"]
    mass = np.sqrt(np.maximum(energy**2 - sum(p**2 for p in momentum), 0))
    assert events.observers is not None
    np.testing.assert_allclose(events.observers[:, 1], mass, rtol=1e-4, atol=0.02)
    assert np.array_equal(events.y, np.abs(events.observers[:, 1] - 91.2) <= 10)


@needs_data
def test_the_same_collision_is_in_one_split(tmp_path: Path) -> None:
    card = {**Z_CARD, "observers": [{"name": "Event"}]}
    parts = division.divide(datasets.open_dataset(write(tmp_path, ZMUMU, **card)))
    three: list[Events] = [parts.train.events, parts.validation, parts.test]  # type: ignore[union-attr]
    numbers = [set(part.observers[:, 0]) for part in three if part.observers is not None]
    assert sum(map(len, numbers)) == len(set.union(*numbers))
    # Several entries are of one collision: this is no trivial statement.
    assert sum(len(part) for part in three) > sum(map(len, numbers))


@needs_data
def test_a_dimuon_mass_regression(tmp_path: Path) -> None:
    card = {
        **Z_CARD,
        "labels": {"kind": "values", "targets": [{"name": "M", "unit": "GeV"}]},
        "splits": {"seed": 1},
    }
    events = reading.read(datasets.open_dataset(write(tmp_path, ZMUMU, **card)))
    with uproot.open(ZMUMU) as file:
        flat = file["events"].arrays(["M", "pt1", "pt2"], library="np")
    keep = (flat["pt1"] > 5) & (flat["pt2"] > 5)
    assert np.array_equal(events.y[:, 0], flat["M"][keep].astype(np.float32))


@needs_data
def test_muons_as_a_sequence(tmp_path: Path) -> None:
    card = {
        "new_variables": {"pt": "hypot(Muon_Px, Muon_Py)"},
        "selection": "NMuon > 0",
        "inputs": {
            "muons": {
                "kind": "sequence",
                "length": 2,
                "order_by": "pt",
                "padding": -1,
                "features": [{"name": "pt", "unit": "GeV"}, {"name": "Muon_Charge"}],
            }
        },
        "labels": {"where": {"one": "NMuon == 1", "more": "NMuon > 1"}},
        "weights": {"column": "EventWeight"},
    }
    data = datasets.open_dataset(write(tmp_path, HZZ, **card))
    events = reading.read(data)
    with uproot.open(HZZ) as file:
        jagged = file["events"].arrays(["Muon_Px", "Muon_Py", "Muon_Charge", "EventWeight"])
    jagged = jagged[ak.num(jagged["Muon_Px"]) > 0]
    pt = np.sqrt(jagged["Muon_Px"] ** 2 + jagged["Muon_Py"] ** 2)
    order = ak.argsort(pt, ascending=False)

    def padded(values: Any) -> np.ndarray:
        return ak.to_numpy(ak.fill_none(ak.pad_none(values[order], 2, clip=True), -1.0))

    np.testing.assert_allclose(events.x[..., 0], padded(pt), rtol=1e-6)
    assert np.array_equal(events.x[..., 1], padded(jagged["Muon_Charge"]))
    there = np.arange(2) < ak.to_numpy(ak.num(pt))[:, None]
    assert np.array_equal(events.x[..., 2], there)
    assert [feature.name for feature in data.features] == ["pt", "Muon_Charge", "mask"]
    np.testing.assert_allclose(events.weight, ak.to_numpy(jagged["EventWeight"]))
    # Padding is no measurement: the statistics are those of the muons.
    parts = division.divide(data)
    x = parts.train.events.x  # type: ignore[union-attr]
    w = np.repeat(parts.train.events.weight, 2).reshape(-1, 2)  # type: ignore[union-attr]
    real = x[..., 2] > 0
    mean = np.average(x[..., 0][real], weights=w[real])
    np.testing.assert_allclose(parts.statistics.mean[0], mean, rtol=1e-6)


JETS: dict[str, Any] = {
    "source": {"objects": "Jet", "tree": "Events"},
    "selection": "(Jet_pt > 20) & (abs(Jet_eta) < 2.4)",
    "inputs": {
        "jet": {
            "features": [
                {"name": "Jet_pt", "unit": "GeV", "scaling": "log"},
                {"name": "Jet_btagDeepFlavB", "missing": {"value": -1, "fill": 0}},
                {"name": "MET_pt"},
                {"name": "muons", "expression": "num(Muon_pt)"},
            ]
        }
    },
    "labels": {"where": {"matched": "Jet_genJetIdx >= 0", "pile_up": "Jet_genJetIdx < 0"}},
    "observers": [{"name": "event"}],
}


@needs_data
def test_jets_of_nanoaod(tmp_path: Path) -> None:
    data = datasets.open_dataset(write(tmp_path, NANOAOD, **JETS))
    events = reading.read(data)
    names = ["Jet_pt", "Jet_eta", "Jet_btagDeepFlavB", "Jet_genJetIdx", "MET_pt", "Muon_pt"]
    with uproot.open(NANOAOD) as file:
        jagged = file["Events"].arrays(names)
    keep = (jagged["Jet_pt"] > 20) & (abs(jagged["Jet_eta"]) < 2.4)
    jets = {
        "pt": jagged["Jet_pt"],
        "tag": jagged["Jet_btagDeepFlavB"],
        "met": ak.broadcast_arrays(jagged["MET_pt"], jagged["Jet_pt"])[0],
        "muons": ak.broadcast_arrays(ak.num(jagged["Muon_pt"]), jagged["Jet_pt"])[0],
        "matched": jagged["Jet_genJetIdx"],
    }
    flat = {name: ak.to_numpy(ak.flatten(values[keep])) for name, values in jets.items()}
    assert len(events) == len(flat["pt"]) > 200
    np.testing.assert_allclose(events.x[:, 0], np.log(flat["pt"]), rtol=1e-6)
    np.testing.assert_allclose(events.x[:, 1], np.where(flat["tag"] == -1, 0, flat["tag"]))
    np.testing.assert_allclose(events.x[:, 2], flat["met"])
    assert np.array_equal(events.x[:, 3], flat["muons"])
    assert np.array_equal(events.y, (flat["matched"] < 0).astype(int))


@needs_data
def test_all_jets_of_an_event_are_in_one_split(tmp_path: Path) -> None:
    parts = division.divide(datasets.open_dataset(write(tmp_path, NANOAOD, **JETS)))
    three = [parts.train.events, parts.validation, parts.test]  # type: ignore[union-attr]
    numbers = [set(part.observers[:, 0]) for part in three if part.observers is not None]
    assert sum(map(len, numbers)) == len(set.union(*numbers))


@needs_data
@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"source": {"objects": "Jat"}}, "no jagged column 'Jat'"),
        ({"source": {"objects": "Jet", "tree": "Event"}}, "Events"),
        ({"selection": "Jet_pT > 3"}, "no branch 'Jet_pT'; did you mean 'Jet_pt'"),
        ({"selection": "Jet_pt > 1e9"}, "its selection keeps none"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    tmp_path: Path, card: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        reading.read(datasets.open_dataset(write(tmp_path, NANOAOD, **{**JETS, **card})))
    assert "\n" not in str(error.value)


@needs_data
def test_a_bare_file_is_looked_at() -> None:
    found = inspect.summarize(ZMUMU)
    assert found["trees"] == {"events": 2304}
    (mass,) = [row for row in found["columns"] if row["column"] == "M"]
    with uproot.open(ZMUMU) as file:
        values = file["events"]["M"].array(library="np")
    assert (mass["min"], mass["max"]) == (values.min(), values.max())


@needs_data
def test_an_inspection_counts_what_a_card_leaves_out(tmp_path: Path) -> None:
    folder = write(tmp_path, NANOAOD, **JETS)
    plot = tmp_path / "jets.svg"
    found = inspect.summarize(folder, plot)
    events = reading.read(datasets.open_dataset(folder))
    assert found["events"] == len(events)
    assert found["read"]["examples"] - found["read"]["selection"] == len(events)
    rows = {row["feature"]: row for row in found["groups"]["jet"]["features"]}
    with uproot.open(NANOAOD) as file:
        jets = file["Events"].arrays(["Jet_pt", "Jet_eta", "Jet_btagDeepFlavB"])
    tags = jets["Jet_btagDeepFlavB"][(jets["Jet_pt"] > 20) & (abs(jets["Jet_eta"]) < 2.4)]
    assert rows["Jet_btagDeepFlavB"]["missing"] == ak.sum(tags == -1)
    assert [row["events"] for row in found["classes"]] == np.bincount(events.y).tolist()
    assert found["groups"]["observers"]["shape"] == [1]
    assert found["plots"] == [str(plot), str(tmp_path / "jets-observers.svg")]
    assert all("<svg" in Path(path).read_text() for path in found["plots"])
