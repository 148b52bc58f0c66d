"""Calorimeters as grids of towers that sum and measure energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.kinematics import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Calorimeter:
    """One part of the calorimeters, the same on both sides.

    Attributes
    ----------
    identity : int
        PDG number that its towers get: photon if electromagnetic, long-lived kaon if hadronic.
    low, high : float
        Range of the absolute pseudorapidity.
    eta_towers, phi_towers : int
        How many equal towers that range has on each side, and the full circle has.
    stochastic, noise, constant : float
        The resolution's S in GeV^(1/2), N in GeV, and C.
    threshold : float
        Least energy of a tower in GeV.
    """

    identity: int
    low: float
    high: float
    eta_towers: int
    phi_towers: int
    stochastic: float
    noise: float
    constant: float
    threshold: float

    def resolution(self, energy: Floats) -> Floats:
        """Return the spread of a tower's energy, all in GeV."""
        squared = self.stochastic**2 * energy + self.noise**2 + (self.constant * energy) ** 2
        return np.sqrt(squared)


class Objects(NamedTuple):
    """Tracks or towers of many events: arrays of one length, in GeV and units of e."""

    event: Ints
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    id: Ints
    charge: Floats
    source: Ints


def fluctuated(mean: Floats, spread: Floats, rng: np.random.Generator) -> Floats:
    """Draw from log-normal distributions of given mean and standard deviation.

    >>> float(fluctuated(np.array([2.0]), np.array([0.0]), np.random.default_rng(1))[0])
    2.0
    """
    squared = np.log1p((spread / mean) ** 2)
    return mean * np.exp(np.sqrt(squared) * rng.standard_normal(len(mean)) - squared / 2)


def towers(
    event: Ints,
    eta: Floats,
    phi: Floats,
    energy: Floats,
    calorimeter: Calorimeter,
    rng: np.random.Generator,
) -> Objects:
    """Sum deposits in the towers of one calorimeter, measure them and cut at the threshold.

    Parameters
    ----------
    event : array, shape (deposits,)
        Number of the event.
    eta, phi, energy : array, shape (deposits,)
        Inside the calorimeter's range; energy in GeV.
    """
    c = calorimeter
    size = (c.high - c.low) / c.eta_towers
    ring = np.minimum(((np.abs(eta) - c.low) / size).astype(np.int64), c.eta_towers - 1)
    ring = np.where(eta < 0, -1 - ring, ring) + c.eta_towers
    sector = (phi / (2 * np.pi) * c.phi_towers // 1).astype(np.int64) % c.phi_towers
    key = (event * 2 * c.eta_towers + ring) * c.phi_towers + sector
    keys, tower = np.unique(key, return_inverse=True)
    true: Floats = np.bincount(tower, energy, len(keys)).astype(np.float64)
    total = fluctuated(true, c.resolution(true), rng)
    keys, total = keys[total > c.threshold], total[total > c.threshold]

    rest, sector = np.divmod(keys, c.phi_towers)
    event, ring = np.divmod(rest, 2 * c.eta_towers)
    ring = ring - c.eta_towers
    side = np.where(ring < 0, -1.0, 1.0)
    centre_eta = side * (c.low + size * (np.where(ring < 0, -1 - ring, ring) + 0.5))
    centre_phi = (sector + 0.5) * 2 * np.pi / c.phi_towers
    pt = total / np.cosh(centre_eta)
    return Objects(
        event,
        pt * np.cos(centre_phi),
        pt * np.sin(centre_phi),
        pt * np.sinh(centre_eta),
        total,
        np.full(len(keys), c.identity),
        np.zeros(len(keys)),
        np.full(len(keys), -1),
    )
