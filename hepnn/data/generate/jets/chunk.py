"""One chunk of the dataset: so many jets of one class from one seed, in one process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from hepnn.data.generate.jets.columns import CLASSES, FEATURES, FURTHER
from hepnn.data.generate.jets.constituents import leading
from hepnn.data.generate.jets.labels import PT_RANGE, accepted, matched
from hepnn.data.physics.clustering import cluster, flat, flat_momenta
from hepnn.data.physics.events import Batch, Generator
from hepnn.data.physics.features import further, sixteen
from hepnn.data.physics.kinematics import Floats
from hepnn.errors import DataError

EVENTS_A_BATCH = 100
BATCHES_WITHOUT_A_JET = 50


class Jets(NamedTuple):
    """Features by name (jets,), observers (jets, 3), constituents (jets, 32, 4) of some jets."""

    features: dict[str, Floats]
    observers: Floats
    constituents: Floats


def selected(batch: Batch, label: int) -> tuple[Any, Any]:
    """Cluster events and keep the jets of a class: their momenta and constituents."""
    jets, inside = cluster(batch.particles, PT_RANGE[0])
    keep = accepted(jets) & matched(jets, batch.partons, label)
    return ak.flatten(jets[keep]), ak.flatten(inside[keep])


def measure(jets: Any, inside: Any, charge: Floats, substructure: bool = False) -> Jets:
    """Compute all stored quantities of jets.

    Parameters
    ----------
    jets : awkward array, jets
        Momenta of the jets.
    inside : awkward array, jets x particles
        Momenta of their constituents.
    charge : array, shape (constituents,)
        Charges of the constituents, one jet after the other.
    substructure : bool
        With the features of ``columns.FURTHER``.
    """
    particles = flat(inside)
    momenta = flat_momenta(inside)
    known = sixteen(momenta)
    features = {column.name: known[column.name] for column in FEATURES}
    if substructure:
        more = further(momenta)
        features |= {column.name: more[column.name] for column in FURTHER}
    pt, rapidity, azimuth, eta, mass = (
        np.asarray(values, np.float64)
        for values in (jets.pt, jets.rapidity, jets.phi, jets.eta, jets.mass)
    )
    observers = np.stack([pt, eta, mass], axis=1)
    return Jets(
        features,
        observers,
        leading(particles, charge, pt, rapidity, azimuth),
    )


def chunk(
    cards: Sequence[Path],
    label: int,
    jets: int,
    seed: int,
    mpi: bool = True,
    detector: bool = False,
    substructure: bool = False,
) -> Jets:
    """Generate jets of one class until there are enough.

    Parameters
    ----------
    cards : sequence of Path
        Pythia command cards that make the class.
    label : int
        Number of the class.
    jets : int
        How many.
    seed : int
        Pythia's, 1 to 900,000,000.
    mpi : bool
        With multiparton interactions.
    detector : bool
        Of tracks and towers, not of the generator's particles.
    substructure : bool
        With the features of ``columns.FURTHER``.

    Raises
    ------
    DataError
        When the cards yield no jets of the class.
    """
    generator = Generator(cards, seed, () if mpi else ("PartonLevel:MPI = off",))
    rng = np.random.default_rng(seed)
    parts: list[Jets] = []
    found, idle = 0, 0
    for batch in generator.batches(min(EVENTS_A_BATCH, jets)):
        if detector:
            batch = batch._replace(particles=reconstructed(batch.particles, generator, rng))
        momenta, inside = selected(batch, label)
        idle = 0 if len(momenta) else idle + 1
        if idle == BATCHES_WITHOUT_A_JET:
            raise DataError(f"{cards[-1]}: makes no jets of class {CLASSES[label]!r}")
        if not len(momenta):
            continue
        momenta, inside = momenta[: jets - found], inside[: jets - found]
        flattened = ak.flatten(inside)
        charge = np.asarray(
            flattened.charge if detector else generator.charge(np.asarray(flattened.id)), np.float64
        )
        parts.append(measure(momenta, inside, charge, substructure))
        found += len(momenta)
        if found == jets:
            break
    features, *arrays = zip(*parts, strict=True)
    return Jets(
        {name: np.concatenate([one[name] for one in features]) for name in features[0]},
        *(np.concatenate(columns) for columns in arrays),
    )


def reconstructed(particles: Any, generator: Generator, rng: np.random.Generator) -> Any:
    """Return the tracks and towers that a detector makes of an event's particles."""
    from hepnn.data.physics.detector import smear

    charge = generator.charge(np.asarray(ak.flatten(particles.id)))
    charged = ak.with_field(particles, ak.unflatten(charge, ak.num(particles)), "charge")
    return smear(charged, rng)
