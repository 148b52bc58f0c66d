"""The kinds of datasets that `hepnn data make` generates.

A kind is a module that says what is generated; cutting the work, seeds, processes, Dask, going
on after a kill and the dataset's folder are the job's (`hepnn.data.generate.job`). It has:

`Settings`
    A `hepnn.declarations.Declaration`: every knob with a default and a description.
`PACKAGES`
    Packages of the extra `hep` that it imports; checked before anything else.
`VERSIONS`
    Distributions whose versions are noted in the data card.
`CLASSES`
    Names of the classes; may be empty.
`CARDS`
    Files that it reads, as Pythia's commands. They lie in `datasets/KIND/` (in
    `datasets/CARDS_FROM/` if the module has that name) and are copied to the dataset's folder;
    may be empty.
`chunks(settings) -> list[Chunk]`
    The work in pieces of some seconds each.
`generate(settings, chunk, seed, folder) -> dict[str, pyarrow.Table]`
    The events of a chunk. `seed` is the chunk's own, 1 to 900,000,000; `folder` holds the CARDS.
    The key `""` is the dataset, any other a dataset in the sub-folder of that name; every chunk
    gives every key, with no rows if need be. A pure function: the same arguments give the same
    rows, in any process and on any machine.
`cards(settings) -> dict[str, dict]`
    By the same keys, what an author says in the data card (`hepnn.data.card`): title, inputs,
    labels, observers, splits, licence, limits. The first of these keys to be missing is the
    error of whoever wrote the kind.

Its package's import must be cheap: heavy ones belong into `generate`.
"""

from __future__ import annotations

from hepnn import tables
from hepnn.data.generate.kind import Kind

GENERATORS = {
    "jets": "hepnn.data.generate.jets",
    "heavy-flavour": "hepnn.data.generate.heavy_flavour",
    "jet-images": "hepnn.data.generate.jet_images",
    "calorimeter": "hepnn.data.generate.calorimeter",
    "showers": "hepnn.data.generate.showers",
    "anomaly": "hepnn.data.generate.anomaly",
    "decays": "hepnn.data.generate.decays",
}


def get(name: str) -> Kind:
    """Return the module of a kind.

    Raises
    ------
    RecipeError
        If no such generator exists, naming the nearest.
    """
    return tables.load(GENERATORS, name, "generator")
