"""Decay chains of heavy particles as sequences of tokens, from Pythia's decay tables.

One particle at rest decays, its daughters decay, and so on down to the particles that reach a
detector; the chain is written as in `chains`. There is no collision and no kinematics: what is
to be learned is which particle decays to which others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from hepnn import declarations
from hepnn.data.generate import store
from hepnn.data.generate.chunk import Chunk, cut
from hepnn.data.generate.decays.chains import VOCABULARY, chain, read_names
from hepnn.data.generate.decays.chains import tokens as written
from hepnn.declarations import Declaration
from hepnn.errors import DataError

PACKAGES = ("pythia8mc",)
VERSIONS = ("pythia8mc", "numpy", "pyarrow")
CLASSES: tuple[str, ...] = ()
CARDS = ("decays.cmnd", VOCABULARY)

EVENTS_A_CHUNK = 2_500
REJECTED_IN_A_ROW = 1_000

# tau, D+, D0, Ds, Lambda_c, B0, B+, Bs, Lambda_b, by their PDG numbers.
HEADS = [15, 411, 421, 431, 4122, 511, 521, 531, 5122]


class Settings(Declaration):
    """What is generated."""

    events: int = Field(30_000, ge=1, description="number of chains")
    heads: list[int] = Field(
        HEADS,
        min_length=1,
        description="PDG numbers of what decays, all equally often, as particle or antiparticle",
    )
    longest: int = Field(64, ge=8, description="longer chains are left out, in tokens")


def chunks(settings: Settings) -> list[Chunk]:
    """Cut the work."""
    return cut("decays", settings.events, EVENTS_A_CHUNK)


def generate(settings: Settings, chunk: Chunk, seed: int, folder: Path) -> dict[str, pa.Table]:
    """Generate chains until there are enough.

    Returns
    -------
    dict
        `tokens`: lists of whole numbers; `head`: PDG number of what decays first; `decays`:
        number of decays in the chain.

    Raises
    ------
    DataError
        When Pythia does not take the settings, does not know a head, or lets it be stable; or
        when next to no chain is kept.
    """
    from hepnn.data.generate.decays.gun import Gun

    gun = Gun(folder / "decays.cmnd", settings.heads, seed)
    vocabulary = gun.vocabulary(read_names(folder), folder)
    rng = np.random.default_rng(seed)
    sequences: list[list[int]] = []
    heads, decays = [], []
    rejected = 0
    while len(sequences) < chunk.events:
        head = gun.either(int(rng.choice(settings.heads)), bool(rng.random() < 0.5))
        whole = chain(gun.decay(head), 1)
        sequence = written(whole, vocabulary)
        if whole.partonic or len(sequence) > settings.longest:
            rejected += 1
            if rejected == REJECTED_IN_A_ROW:
                raise DataError(
                    f"decays: no chain of {settings.heads} without quarks and gluons and of at "
                    f"most {settings.longest} tokens in {REJECTED_IN_A_ROW} tries"
                )
            continue
        rejected = 0
        sequences.append(sequence)
        heads.append(head)
        decays.append(whole.decays)
    counts = np.array([len(sequence) for sequence in sequences])
    table = {
        "tokens": store.jagged(np.concatenate(sequences).astype(np.int16), counts),
        "head": pa.array(heads, pa.int32()),
        "decays": pa.array(decays, pa.int8()),
    }
    return {"": pa.table(table)}


def cards(settings: Settings) -> dict[str, dict[str, Any]]:
    """Describe the dataset."""
    names = read_names(declarations.root("datasets") / "decays")
    card = {
        "title": "Decay chains of tau leptons and of charm and beauty hadrons, as sequences",
        "inputs": {
            "chain": {
                "kind": "tokens",
                "length": settings.longest,
                "vocabulary": len(names),
                "expression": "tokens",
                "names": VOCABULARY,
            }
        },
        "labels": {"kind": "none"},
        "observers": [
            {"name": "head", "description": "PDG number of the particle that decays first"},
            {"name": "decays", "description": "number of decays in the chain"},
        ],
        "splits": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 1},
        "licence": "CC-BY-4.0",
        "limits": [
            "Branching fractions are those of Pythia's tables, in part models and not measured.",
            "Which particles decay to which, and nothing of their momenta.",
            "Every head is equally frequent, unlike in collisions; no oscillation.",
            "Chains with quarks or gluons in the record, from charmonium, and chains of more "
            f"than {settings.longest} tokens are left out.",
            "The same chain can occur in training and test: frequent chains are many.",
        ],
    }
    return {"": card}
