"""Electrons, photons and pions as the spots of energy that they leave."""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc

from hepnn.data.generate.showers import electromagnetic, hadronic
from hepnn.data.generate.showers.grid import Spots
from hepnn.data.generate.showers.medium import Medium
from hepnn.data.physics.kinematics import Floats

# Mean free path of a photon before it makes a pair, in radiation lengths.
CONVERSION_DEPTH = 9 / 7

# Where the electromagnetic part of a pion's shower is older, its radial profile is not fitted.
OLDEST_STAGE = 2.5

# Least energy in GeV for which the formulas of electromagnetic showers are good.
LEAST_FITTED = 0.4


def sampled(energy: Floats, term: float, rng: np.random.Generator) -> Floats:
    """Let deposits fluctuate as a sampling calorimeter sees them (hep-ex/0001020).

    Each is drawn from a gamma distribution of its mean and of variance `term**2` GeV times its
    mean. The sum of any number of them then has the relative spread `term / sqrt(sum)`.

    Parameters
    ----------
    energy
        Mean deposits in GeV.
    term
        In square roots of GeV; 0 for none.
    rng
        Where the numbers come from.
    """
    if term == 0:
        return energy
    return rng.gamma(energy / term**2, term**2)


def spread(total: Floats, spots: Floats, rng: np.random.Generator) -> tuple[np.ndarray, Floats]:
    """Divide each step's energy evenly among a Poisson number of spots, of given mean.

    Returns
    -------
    tuple of array
        The spots' steps and energies; a step that has energy has at least one.
    """
    counts = np.where(total > 0, np.maximum(rng.poisson(spots), 1), 0)
    return np.repeat(np.arange(len(total)), counts), np.repeat(
        total / np.maximum(counts, 1), counts
    )


def shares(edges: Floats, start: float, shape: float, fall: float) -> Floats:
    """Return the share of a gamma distribution in each step, which begins at a depth."""
    return np.diff(gammainc(shape, fall * np.maximum(edges - start, 0.0)))


def electron(
    energy: float,
    start: float,
    edges: Floats,
    medium: Medium,
    term: float,
    rng: np.random.Generator,
) -> Spots:
    """Return the spots of an electron's shower that begins at a depth.

    Parameters
    ----------
    energy
        In GeV.
    start
        In radiation lengths; 0 for an electron that enters.
    edges : array, shape (steps + 1,)
        Depths in radiation lengths between which spots are counted.
    medium
        The material.
    term
        Sampling term, see `sampled`.
    rng
        Where the numbers come from.
    """
    profile = electromagnetic.individual(energy, medium, rng)
    spot = electromagnetic.of_spots(profile, medium)
    total = energy * shares(edges, start, profile.alpha, profile.beta)
    number = electromagnetic.number_of_spots(energy, medium)
    counts = number * shares(edges, start, spot.alpha, spot.beta)
    step, deposit = spread(sampled(total, term, rng), counts, rng)
    depth = np.maximum((edges[1:] + edges[:-1]) / 2 - start, 0.0)
    tau = electromagnetic.stage(depth, profile, energy, medium)[step]
    radius = electromagnetic.radii(electromagnetic.radial(tau, energy, medium), rng)
    return Spots(step, radius, deposit)


def photon(
    energy: float, edges: Floats, medium: Medium, term: float, rng: np.random.Generator
) -> Spots:
    """Return the spots of a photon's shower: an electron's, from where it makes a pair."""
    return electron(energy, rng.exponential(CONVERSION_DEPTH), edges, medium, term, rng)


def pion(
    energy: float,
    edges: Floats,
    medium: Medium,
    term: float,
    hadronic_term: float,
    rng: np.random.Generator,
) -> Spots:
    """Return the spots of a charged pion: ionization, then the shower of `hadronic`."""
    start = hadronic.start(medium, rng)
    left = energy - min(start, edges[-1]) * medium.ionization_depth
    share = hadronic.share(rng)
    profile = hadronic.average(left)
    light = share * left * shares(edges, start, profile.shape, profile.electromagnetic_fall)
    fall = profile.hadronic_fall / medium.interaction_depth
    heavy = (1 - share) * left * shares(edges, start, profile.shape, fall)
    parts = [
        _ionization(np.diff(np.minimum(edges, start)) * medium.ionization_depth, term, rng),
        _light(light, share * left, edges, start, medium, term, rng),
        _heavy(heavy, medium, hadronic_term, rng),
    ]
    return Spots(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _ionization(total: Floats, term: float, rng: np.random.Generator) -> Spots:
    step, deposit = spread(sampled(total, term, rng), np.ones(len(total)), rng)
    return Spots(step, np.zeros(len(step)), deposit)


def _light(
    total: Floats,
    energy: float,
    edges: Floats,
    start: float,
    medium: Medium,
    term: float,
    rng: np.random.Generator,
) -> Spots:
    """Return the electromagnetic part, as wide as a shower of its energy."""
    fitted = max(energy, LEAST_FITTED)
    counts = electromagnetic.number_of_spots(fitted, medium) * total / max(energy, 1e-9)
    step, deposit = spread(sampled(total, term, rng), counts, rng)
    depth = np.maximum((edges[1:] + edges[:-1]) / 2 - start, 0.0)
    tau = np.minimum(depth / electromagnetic.median(fitted, medium).maximum, OLDEST_STAGE)
    profile = electromagnetic.radial(tau[step], fitted, medium)
    return Spots(step, electromagnetic.radii(profile, rng), deposit)


def _heavy(total: Floats, medium: Medium, term: float, rng: np.random.Generator) -> Spots:
    step, deposit = spread(sampled(total, term, rng), hadronic.SPOTS * total, rng)
    inside = rng.random(len(step))
    scale = hadronic.RADIUS * medium.interaction_depth / medium.moliere_radius
    return Spots(step, scale * np.sqrt(inside / (1 - inside)), deposit)
