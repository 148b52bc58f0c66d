"""ROOT: TTree and RNTuple, flat, fixed and jagged, as uproot and awkward read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepnn.data.card import Source
from hepnn.data.formats import root
from hepnn.errors import DataError

N = 40
LISTS = ak.Array([[float(k) for k in range(n % 4)] for n in range(N)])


def opened(path: Path, tree: str | None = None) -> root.RootReader:
    reader = root.open_file(Source(format="root", tree=tree), path)
    assert isinstance(reader, root.RootReader)
    return reader


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a TTree, an RNTuple, and what is neither."""
    path = tmp_path_factory.mktemp("root") / "a:b.root"
    flat = {
        "x": np.arange(N, dtype=np.float64),
        "i": np.arange(N, dtype=np.int8),
        "u": np.arange(N, dtype=np.uint32),
        "good": np.arange(N) % 2 == 0,
        "cell": np.arange(3 * N, dtype=np.float32).reshape(N, 3),
        "image": np.arange(6 * N, dtype=np.int16).reshape(N, 2, 3),
    }
    with uproot.recreate(path) as file:
        file.mktree("deep/tree", flat | {"jet": ak.zip({"pt": LISTS, "eta": -LISTS})})
        del flat["image"]
        flat["cell"] = ak.to_regular(ak.Array(flat["cell"]))
        more = {
            "jet": ak.zip({"pt": LISTS, "eta": -LISTS}),
            "nested": ak.Array([[[1, 2], [n]] for n in range(N)]),
            "name": ak.Array([f"event {n}" for n in range(N)]),
        }
        file.mkrntuple("ntuple", flat | more)
        file["histogram"] = np.histogram(np.arange(9))
    return path


def test_trees_are_listed_with_their_entries(both: Path) -> None:
    assert root.trees(both) == {"deep/tree": N, "ntuple": N}


@pytest.mark.parametrize("tree", ["deep/tree", "ntuple"])
def test_numbers_arrays_and_lists_are_read(both: Path, tree: str) -> None:
    reader = opened(both, tree)
    columns = {name: (c.kind, c.dtype, c.shape) for name, c in reader.columns.items()}
    assert columns["x"] == ("flat", "float64", ())
    assert columns["i"] == ("flat", "int8", ())
    assert columns["u"] == ("flat", "uint32", ())
    assert columns["good"] == ("flat", "bool", ())
    assert columns["cell"] == ("fixed", "float32", (3,))
    assert columns["jet_pt"] == columns["jet_eta"] == ("jagged", "float64", ())
    read = reader.read(list(columns), 5, 20)
    assert reader.entries == N
    assert np.array_equal(read["x"], np.arange(5, 20)) and read["u"].dtype == np.uint32
    assert np.array_equal(read["good"], np.arange(5, 20) % 2 == 0)
    assert np.array_equal(read["cell"], np.arange(15, 60).reshape(15, 3))
    assert read["jet_pt"].to_list() == LISTS[5:20].to_list()
    assert read["jet_eta"].to_list() == (-LISTS[5:20]).to_list()
    if tree == "ntuple":
        assert columns["name"] == ("text", "str", ())
        assert read["name"].tolist() == [f"event {n}" for n in range(5, 20)]
        assert read["nested"].to_list() == [[[1, 2], [n]] for n in range(5, 20)]
    else:
        assert columns["image"] == ("fixed", "int16", (2, 3))
        assert np.array_equal(read["image"].ravel(), np.arange(30, 120))
    reader.close()


def test_the_only_tree_is_taken_and_else_the_source_has_to_say(both: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="source.tree has to name one of deep/tree, ntuple$"):
        opened(both)
    with pytest.raises(DataError, match="no tree 'ntupel'; did you mean 'ntuple'"):
        opened(both, "ntupel")
    with pytest.raises(DataError, match="no tree 'histogram'"):
        opened(both, "histogram")
    with uproot.recreate(tmp_path / "none.root") as file:
        file["histogram"] = np.histogram(np.arange(9))
    with pytest.raises(DataError, match="no tree in the file"):
        opened(tmp_path / "none.root")


def test_the_last_cycle_of_a_tree_is_read(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("t", {"x": np.arange(3)})
        file.mktree("t", {"x": np.arange(5)})
    assert root.trees(tmp_path / "a.root") == {"t": 5}
    assert opened(tmp_path / "a.root").entries == 5


def test_titles_tell_units_and_descriptions() -> None:
    class Titled:
        name = "pt"

        def __init__(self, title: str) -> None:
            self.title = title

    assert root._told(Titled("transverse momentum [GeV]")) == ("GeV", "transverse momentum")
    assert root._told(Titled("medium ID, 2.5 < |eta|")) == ("", "medium ID, 2.5 < |eta|")
    for nothing in ("pt", "pt/F", "pt[njet]/F", "x/F:y/F", "pt[3][4]/D"):
        assert root._told(Titled(nothing)) == ("", "")


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("vector<float>", True),
        ("std::vector<Long64_t>", True),
        ("vector<vector<int> >", True),
        ("vector<unsigned int>", True),
        ("std::vector<std::vector<double>>", True),
        ("string", True),
        ("TLorentzVector", False),
        ("vector<TLorentzVector>", False),
        ("map<int,float>", False),
        ("vector<vector<Jet> >", False),
        ("floating", False),
    ],
)
def test_only_vectors_of_numbers_are_interpreted(name: str, numbers: bool) -> None:
    assert bool(root.VECTOR.fullmatch(name)) == numbers


def test_nanoaod_is_read_as_by_uproot(shared: Path) -> None:
    path = shared / "nanoAOD_2015_CMS_Open_Data_ttbar.root"
    reader = opened(path)
    assert reader.entries == 200 and len(reader.columns) == 947
    tree = uproot.open(path)["Events"]
    names = sorted(reader.columns)[::9] + ["Jet_pt", "Muon_charge", "nJet", "Jet_jetId", "event"]
    read = reader.read(names, 17, 151)
    for name in names:
        expected = tree[name].array(entry_start=17, entry_stop=151)
        assert reader.columns[name].kind == ("flat" if expected.ndim == 1 else "jagged")
        assert ak.to_list(read[name]) == expected.to_list(), name
    assert reader.columns["HTXS_Higgs_pt"].description.startswith("pt of the Higgs boson")
    with pytest.raises(DataError, match="no branch 'Jet_pT'; did you mean 'Jet_pt'"):
        reader.read(["Jet_pT"], 0, 1)


def test_a_jagged_tree_is_read_as_by_uproot(shared: Path) -> None:
    path = shared / "uproot-HZZ.root"
    reader = opened(path, "events")
    tree = uproot.open(path)["events"]
    read = reader.read(list(reader.columns), 1000, 1500)
    for name in list(tree.keys()):
        assert ak.to_list(read[name]) == tree[name].array()[1000:1500].to_list()
    assert reader.columns["Jet_ID"].dtype == "bool"


def test_the_z_mass_follows_from_its_muons(shared: Path) -> None:
    from hepnn.data.expressions import Expression, flat

    reader = opened(shared / "uproot-Zmumu.root")
    columns: dict[str, Any] = reader.read(list(reader.columns), 0, reader.entries)
    text = "(p4_xyz(px1, py1, pz1, E1) + p4_xyz(px2, py2, pz2, E2)).mass"
    mass = flat(Expression(text)(columns), reader.entries)
    assert np.allclose(mass, columns["M"], rtol=1e-4)
    assert reader.columns["Type"].kind == "text" and columns["Type"][0] == "GT"


def test_a_truncated_real_file_is_told(shared: Path, tmp_path: Path) -> None:
    whole = (shared / "uproot-HZZ.root").read_bytes()
    for share in (0.001, 0.2, 0.7, 0.99):
        (tmp_path / "cut.root").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match="cut.root: no ROOT file, or truncated: "):
            root.trees(tmp_path / "cut.root")
