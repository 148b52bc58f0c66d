"""ROOT files: the branches of one TTree, or the fields of one RNTuple, are the columns.

Numbers are flat, arrays of one shape fixed, `x[n]` and vectors jagged, C strings text. Records
are taken apart: `Jet` with `pt` and `eta` is `Jet_pt`, `Jet_eta`. Only numbers and strings, and
arrays and vectors of them, are ever interpreted: code for other classes, which uproot would
write from what the file says of them, is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.data.card import Source
from hepnn.data.formats.reader import Column, ColumnReader, Reader, options, present, reading
from hepnn.errors import DataError, missing_extra, nearest

WHAT = "ROOT file"

#: Classes that hold entries. A TNtuple is a TTree of floats.
TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")

#: Leaves of a plain branch that hold numbers; and numbers of TLeafElement's fType, to which 20
#: is added for arrays.
LEAVES = {f"TLeaf{letter}" for letter in ("O", "B", "S", "I", "L", "G", "F", "D", "F16", "D32")}
BASIC_TYPES = {1, 2, 3, 4, 5, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19}

_NUMBER = r"(?:bool|u?int(?:8|16|32|64)_t|(?:unsigned )?(?:char|short|int|long|long long)|unsigned"
_NUMBER += r"|float|double|Bool_t|U?Char_t|U?Short_t|U?Int_t|U?Long_t|U?Long64_t|Float_t|Double_t)"
VECTOR = re.compile(
    rf"(?:std::)?(?:string|vector<\s*(?:{_NUMBER}|(?:std::)?vector<\s*{_NUMBER}\s*>)\s*>)"
)

#: A title such as "pt1/D" or "Jet_Px[NJet]/F" repeats the branch's type and says nothing else.
LEAF_LIST = re.compile(r"[\w.]+(\[\w+\])*(/\w)?(:[\w.]+(\[\w+\])*(/\w)?)*")
UNIT = re.compile(r"\[([^\[\]\d=]+)\]\s*$")


def open_file(source: Source, path: Path | None) -> Reader:
    """Open a tree of a ROOT file.

    Raises
    ------
    DataError
        If the file is missing, truncated or no ROOT file, or if the tree is not there; if the
        source names none, and there is not exactly one.
    MissingDependency
        If uproot is not installed.
    """
    options(source, {})
    return RootReader(present(path, source, WHAT), source.tree)


def trees(path: Path) -> dict[str, int]:
    """Return the trees of a ROOT file: their entries, by name.

    Raises
    ------
    DataError
        If the file is missing, truncated or no ROOT file.
    """
    checked = present(path, Source(format="root"), WHAT)
    with _opened(checked) as file, reading(path, WHAT):
        return {name: int(file[name].num_entries) for name in _names(file)}


class RootReader(ColumnReader):
    """An open tree; see `Reader`."""

    what = WHAT
    noun = "branch"
    nouns = "branches"

    def __init__(self, path: Path, tree: str | None) -> None:
        super().__init__(str(path))
        self._branches: dict[str, _Branch] = {}
        self._file = _opened(path)
        try:
            with reading(path, WHAT):
                self._list(_chosen(_names(self._file), tree, path))
        except DataError:
            self.close()
            raise

    def take(self, names: list[str], start: int, stop: int) -> dict[str, Any]:
        """Read the baskets that hold the entries; a record is read once for all its fields."""
        arrays: dict[int, Any] = {}
        taken = {}
        for name in names:
            branch = self._branches[name]
            key = id(branch.branch)
            if key not in arrays:
                arrays[key] = branch.branch.array(entry_start=start, entry_stop=stop, library="ak")
            taken[name] = _converted(arrays[key], branch.fields, self.columns[name])
        return taken

    def edges(self, names: Sequence[str]) -> np.ndarray:
        """Return where the baskets of all branches, or of the most cut one, begin and end."""
        branches = {id(branch): branch for branch in (self._branches[n].branch for n in names)}
        offsets = [
            np.asarray(branch.entry_offsets)
            for branch in branches.values()
            if hasattr(branch, "entry_offsets")
        ]
        if not offsets:
            return super().edges(names)
        common = offsets[0]
        for more in offsets[1:]:
            common = np.intersect1d(common, more)
        return common if len(common) > 2 else max(offsets, key=len)

    def close(self) -> None:
        """Let go of the file."""
        self._branches.clear()
        self._file.close()

    def _list(self, name: str) -> None:
        tree = self._file[name]
        self.entries = int(tree.num_entries)
        listed = _fields(tree) if hasattr(tree, "to_akform") else _tree_branches(tree)
        for name, branch, form in listed:
            if isinstance(form, str):
                self.add(name, form)
                continue
            told = _told(branch)
            for fields, dims, dtype in _leaves(form):
                full = "_".join((name, *fields))
                self._branches[full] = _Branch(branch, fields)
                self.add(full, _column(dims, dtype, *told))


@dataclass(frozen=True)
class _Branch:
    """Where a column lies: a branch, and the fields of its record."""

    branch: Any
    fields: tuple[str, ...]


def _opened(path: Path) -> Any:
    try:
        import awkward  # noqa: F401
        import uproot
    except ImportError as error:
        raise missing_extra("uproot", "hep", "a ROOT file") from error
    with reading(path, WHAT):
        # A mapping, since a colon in a name would be taken for a path inside the file.
        file = uproot.open({str(path): None})
        size, written = path.stat().st_size, int(file.file.fEND)
        if size < written:
            file.close()
            raise DataError(f"{path}: no {WHAT}, or truncated: {size} of {written} bytes")
        return file


def _names(file: Any) -> list[str]:
    """Return the names of the trees, without their cycles: the last cycle is read."""
    classes = file.classnames(recursive=True)
    found = [name.rpartition(";")[0] for name, kind in classes.items() if kind in TREES]
    return list(dict.fromkeys(found))


def _chosen(names: list[str], wanted: str | None, path: Path) -> str:
    if wanted in names:
        return str(wanted)
    if not names:
        raise DataError(f"{path}: no tree in the file")
    if wanted is not None:
        raise DataError(f"{path}: no tree {wanted!r}; {nearest(wanted, names)}")
    if len(names) > 1:
        raise DataError(f"{path}: source.tree has to name one of {', '.join(sorted(names))}")
    return names[0]


def _tree_branches(tree: Any) -> Iterator[tuple[str, Any, Any]]:
    """Walk over a TTree: name, branch, and its form or the reason why it is not read."""
    seen: set[str] = set()
    for path, branch in tree.iteritems(recursive=True):
        name = path if branch.name in seen else branch.name
        seen.add(name)
        reason = _no_numbers(branch)
        if reason:
            yield name, branch, reason
        elif branch.num_entries != tree.num_entries:
            yield name, branch, f"has {branch.num_entries} entries of {tree.num_entries}"
        else:
            try:
                yield name, branch, branch.interpretation.awkward_form(branch.file)
            except Exception:  # what cannot be interpreted is told in many ways
                yield name, branch, "holds something that uproot cannot interpret as numbers"


def _no_numbers(branch: Any) -> str:
    """Say why a branch is not interpreted, from what is stored of it and no code."""
    leaves = branch.member("fLeaves")
    if branch.branches:
        return "holds branches, no numbers; name one of those"
    if leaves and all(leaf.classname in LEAVES for leaf in leaves):
        return ""
    if len(leaves) == 1 and leaves[0].classname == "TLeafC":
        return ""
    kind = "a class"
    if len(leaves) == 1 and leaves[0].classname == "TLeafElement":
        if leaves[0].member("fType") % 20 in BASIC_TYPES and 0 < leaves[0].member("fType") < 40:
            return ""
        if branch.top_level and branch.has_member("fClassName"):
            kind = str(branch.member("fClassName"))
        elif branch.streamer is not None:
            kind = str(branch.streamer.typename)
        if VECTOR.fullmatch(kind):
            return ""
    return f"holds {kind}, no numbers"


def _fields(ntuple: Any) -> Iterator[tuple[str, Any, Any]]:
    """Walk over an RNTuple: name, field, and its form or the reason why it is not read."""
    try:
        whole = _form(ntuple)
    except Exception:  # one field of a kind that uproot does not know spoils it
        whole = None
    for field in ntuple.fields:
        try:
            form = _form(field) if whole is None else whole
            yield field.name, field, form.content(field.name)
        except Exception:  # as for branches
            yield field.name, field, f"holds {field.typename or 'a class'}, no numbers"


def _form(ntuple: Any) -> Any:
    form = ntuple.to_akform()
    return form[0] if isinstance(form, tuple) else form  # with a path, from uproot 5.7


def _leaves(form: Any) -> Iterator[tuple[tuple[str, ...], tuple[int, ...], str]]:
    """Walk down a form: fields, dimensions (-1 for any length), and type or `text`."""
    if form.parameter("__array__") == "string":
        yield (), (), "text"
    elif form.is_record:
        for field in form.fields:
            for fields, dims, dtype in _leaves(form.content(field)):
                yield (field, *fields), dims, dtype
    elif form.is_list:
        size = form.size if form.is_regular else -1
        for fields, dims, dtype in _leaves(form.content):
            yield fields, (size, *dims), dtype
    elif form.is_numpy:
        yield (), tuple(form.inner_shape), form.primitive
    else:
        yield (), (), "other"


def _column(dims: tuple[int, ...], dtype: str, unit: str, description: str) -> Column | str:
    if dtype == "text":
        return "holds lists of texts" if dims else Column("text", "str", (), unit, description)
    if dtype == "other" or np.dtype(dtype).kind not in "biuf":
        return "holds something that is no number in every entry"
    if -1 in dims:
        return Column("jagged", dtype, (), unit, description)
    return Column("fixed" if dims else "flat", dtype, dims, unit, description)


def _told(branch: Any) -> tuple[str, str]:
    """Return unit and description, where a title says more than the leaves' types."""
    title = str(getattr(branch, "title", None) or getattr(branch, "description", "") or "")
    if title == branch.name or ("/" in title or "[" in title) and LEAF_LIST.fullmatch(title):
        return "", ""
    unit = UNIT.search(title)
    return (unit[1], title[: unit.start()].strip()) if unit else ("", title)


def _converted(array: Any, fields: tuple[str, ...], column: Column) -> Any:
    for field in fields:
        array = array[field]
    if column.kind == "jagged":
        return array
    if column.kind == "text":
        made = np.empty(len(array), dtype=object)
        made[:] = array.to_list()
        return made
    return array.to_numpy()
