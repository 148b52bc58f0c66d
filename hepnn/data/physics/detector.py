r"""What a detector makes of particles: tracks and calorimeter towers.

A parametrized detector in the manner of Delphes (arXiv:1307.6346), with CMS's resolutions and
ideal particle flow: a charged particle with a track is its track and leaves nothing in the
calorimeters; all else is summed in towers.

Tracks exist for charged particles with :math:`|\eta| < 2.5` and :math:`p_T > 0.5` GeV, with an
efficiency, and

.. math:: \sigma(p_T) / p_T = a \oplus b \, p_T

Both are the bands of Delphes' CMS card, after arXiv:1405.6569. Directions are exact.

Towers sum the energy of electrons and photons (electromagnetic) and of hadrons (hadronic): of
neutral particles, and of charged ones that have no track. With E in GeV

.. math:: \sigma(E) / E = S / \sqrt{E} \oplus N / E \oplus C

with :math:`2.8\,\% \oplus 12\,\% \oplus 0.3\,\%` and towers of 0.0174 (electromagnetic) and
:math:`110\,\% \oplus 0 \oplus 9\,\%` and towers of 0.087 (hadronic) for :math:`|\eta| < 2.958`,
arXiv:1706.04965, equations 1 and 2; forward to :math:`|\eta| < 5` the numbers of Delphes' CMS
card. Towers below a threshold, 0.5 and 1 GeV as there, are dropped.

Measured values follow a log-normal distribution of the true mean and of that spread, so that
none is negative and none is shifted.

What is left out: the magnetic field's bending and material before the calorimeters, showers
across towers, hadrons' energy in the electromagnetic part, noise in empty towers, wrong tracks,
pile-up. Muons without a track, neutrinos, and all beyond :math:`|\eta| = 5` are not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.data.physics.kinematics import Floats
from hepnn.data.physics.towers import Calorimeter, Objects, fluctuated, towers
from hepnn.errors import missing_extra

try:
    import awkward as ak
    import vector
except ImportError as error:
    raise missing_extra(error.name or "awkward", "hep", "simulating a detector") from error

vector.register_awkward()

ELECTRON, PHOTON, LONG_KAON = 11, 22, 130
NO_DEPOSIT = (12, 13, 14, 16)


@dataclass(frozen=True)
class Band:
    """The tracker up to some pseudorapidity.

    Attributes
    ----------
    eta : float
        Where the band ends; it begins where the one before ends.
    soft_efficiency, efficiency : float
        For a track below 1 GeV and above.
    constant, slope : float
        The resolution's a, and b in 1/GeV.
    """

    eta: float
    soft_efficiency: float
    efficiency: float
    constant: float
    slope: float


@dataclass(frozen=True)
class Detector:
    """All parameters; the defaults are those that the module describes.

    Attributes
    ----------
    track_pt : float
        Least transverse momentum of a track in GeV.
    bands : tuple of Band
        From the centre outward.
    calorimeters : tuple of Calorimeter
        Parts of one kind must not overlap.
    """

    track_pt: float = 0.5
    bands: tuple[Band, ...] = (
        Band(0.5, 0.70, 0.95, 0.010, 1.5e-4),
        Band(1.5, 0.70, 0.95, 0.015, 2.5e-4),
        Band(2.5, 0.60, 0.85, 0.025, 5.5e-4),
    )
    calorimeters: tuple[Calorimeter, ...] = (
        Calorimeter(PHOTON, 0.0, 2.958, 170, 360, 0.028, 0.12, 0.003, 0.5),
        Calorimeter(LONG_KAON, 0.0, 2.958, 34, 72, 1.10, 0.0, 0.09, 1.0),
        Calorimeter(PHOTON, 2.958, 5.0, 12, 36, 2.08, 0.0, 0.107, 0.5),
        Calorimeter(LONG_KAON, 2.958, 5.0, 12, 36, 2.70, 0.0, 0.13, 1.0),
    )


def smear(particles: Any, rng: np.random.Generator, detector: Detector | None = None) -> Any:
    """Measure particles.

    Parameters
    ----------
    particles : awkward array, events x particles
        ``Momentum4D`` records with px, py, pz, E in GeV, and with ``id`` (PDG number) and
        ``charge`` in units of e.
    rng : numpy.random.Generator
        The only source of chance.
    detector : Detector, optional
        The parameters; CMS's by default.

    Returns
    -------
    awkward array, events x objects
        ``Momentum4D`` records with the same fields: first the tracks, with the particle's number,
        mass and direction, then the towers, massless and at their centres, with the number of a
        photon or of a long-lived kaon and no charge. ``source`` is a track's place in the
        event's list of particles, and -1 for a tower.
    """
    detector = detector or Detector()
    counts = ak.to_numpy(ak.num(particles))
    event = np.repeat(np.arange(len(counts)), counts)
    first = np.concatenate([[0], np.cumsum(counts)])[:-1]
    flat = ak.flatten(particles)
    px, py, pz, energy = (np.asarray(flat[name], np.float64) for name in ("px", "py", "pz", "E"))
    charge = np.asarray(flat.charge, np.float64)
    identity = np.asarray(flat.id, np.int64)
    pt = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.arcsinh(pz / pt)
    phi = np.arctan2(py, px)

    tracked = (charge != 0) & (pt > detector.track_pt) & found(pt, eta, rng, detector)
    source = np.arange(len(event)) - first[event]
    scale = fluctuated(pt[tracked], track_spread(pt, eta, detector)[tracked], rng) / pt[tracked]
    x, y, z = px[tracked] * scale, py[tracked] * scale, pz[tracked] * scale
    squared = (energy**2 - px**2 - py**2 - pz**2)[tracked]
    measured = np.sqrt(x**2 + y**2 + z**2 + np.maximum(squared, 0.0))
    parts = [
        Objects(
            event[tracked], x, y, z, measured, identity[tracked], charge[tracked], source[tracked]
        )
    ]

    kind = np.abs(identity)
    light = (kind == PHOTON) | (kind == ELECTRON)
    for calorimeter in detector.calorimeters:
        hit = ~tracked & ~np.isin(kind, NO_DEPOSIT) & np.isfinite(eta)
        hit &= light if calorimeter.identity == PHOTON else ~light
        hit &= (np.abs(eta) >= calorimeter.low) & (np.abs(eta) < calorimeter.high)
        parts.append(towers(event[hit], eta[hit], phi[hit], energy[hit], calorimeter, rng))
    return by_event(parts, len(counts))


def found(pt: Floats, eta: Floats, rng: np.random.Generator, detector: Detector) -> Any:
    """Draw which charged particles have a track."""
    efficiency = np.zeros_like(pt)
    for band in reversed(detector.bands):
        inside = np.abs(eta) < band.eta
        efficiency[inside] = np.where(pt[inside] < 1.0, band.soft_efficiency, band.efficiency)
    return rng.random(len(pt)) < efficiency


def track_spread(pt: Floats, eta: Floats, detector: Detector) -> Floats:
    """Return the spread of tracks' transverse momenta in GeV; zero outside the tracker."""
    spread = np.zeros_like(pt)
    for band in reversed(detector.bands):
        inside = np.abs(eta) < band.eta
        spread[inside] = pt[inside] * np.hypot(band.constant, band.slope * pt[inside])
    return spread


def by_event(parts: list[Objects], events: int) -> Any:
    """Sort objects by event, those of the first part first, into an awkward array."""
    whole = Objects(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.argsort(whole.event, kind="stable")
    columns = {
        "px": whole.px[order],
        "py": whole.py[order],
        "pz": whole.pz[order],
        "E": whole.energy[order],
        "id": whole.id[order],
        "charge": whole.charge[order],
        "source": whole.source[order],
    }
    counts = np.bincount(whole.event, minlength=events)
    return ak.unflatten(ak.zip(columns, with_name="Momentum4D"), counts)
