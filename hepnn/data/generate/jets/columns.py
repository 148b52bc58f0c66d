"""What the jets dataset's columns are: names, units, one line each, in the order of storage."""

from __future__ import annotations

from typing import Any, NamedTuple


class Column(NamedTuple):
    """One stored quantity."""

    name: str
    unit: str
    description: str


CLASSES = ("gluon", "quark", "w", "z", "top")

FEATURES = (
    Column("zlogz", "1", "sum of z log z over the jet's constituents, z the share of pT"),
    Column("c1_b0_mmdt", "1", "energy correlation ratio C1 at beta 0, groomed"),
    Column("c1_b1_mmdt", "1", "energy correlation ratio C1 at beta 1, groomed"),
    Column("c1_b2_mmdt", "1", "energy correlation ratio C1 at beta 2, groomed"),
    Column("c2_b1_mmdt", "1", "energy correlation ratio C2 at beta 1, groomed"),
    Column("c2_b2_mmdt", "1", "energy correlation ratio C2 at beta 2, groomed"),
    Column("d2_b1_mmdt", "1", "energy correlation ratio D2 at beta 1, groomed"),
    Column("d2_b2_mmdt", "1", "energy correlation ratio D2 at beta 2, groomed"),
    Column("d2_a1_b1_mmdt", "1", "D2 with alpha 1 above and beta 1 below, groomed"),
    Column("d2_a1_b2_mmdt", "1", "D2 with alpha 1 above and beta 2 below, groomed"),
    Column("m2_b1_mmdt", "1", "generalized correlation ratio M2 at beta 1, groomed"),
    Column("m2_b2_mmdt", "1", "generalized correlation ratio M2 at beta 2, groomed"),
    Column("n2_b1_mmdt", "1", "generalized correlation ratio N2 at beta 1, groomed"),
    Column("n2_b2_mmdt", "1", "generalized correlation ratio N2 at beta 2, groomed"),
    Column("mass_mmdt", "GeV", "mass of the groomed jet"),
    Column("multiplicity", "1", "number of the jet's constituents, before grooming"),
)

#: Features that the public set does not have, of the jets before grooming.
FURTHER = (
    Column("tau_1", "1", "N-subjettiness of one kt axis, beta 1"),
    Column("tau_2", "1", "N-subjettiness of two kt axes, beta 1"),
    Column("tau_3", "1", "N-subjettiness of three kt axes, beta 1"),
    Column("tau_21", "1", "tau_2 over tau_1"),
    Column("tau_32", "1", "tau_3 over tau_2"),
    Column("pt_dispersion", "1", "root of the sum of squared pT over the sum of pT"),
    Column("width", "1", "mean distance from the jet's axis, weighted with pT"),
    Column("leading_share", "1", "share of the hardest constituent in the sum of pT"),
)

OBSERVERS = (
    Column("jet_pt", "GeV", "transverse momentum of the jet, before grooming"),
    Column("jet_eta", "1", "pseudorapidity of the jet, before grooming"),
    Column("jet_mass", "GeV", "mass of the jet, before grooming"),
)

LENGTH = 32

CONSTITUENTS = (
    Column("pt", "1", "transverse momentum over that of the jet; falling"),
    Column("rapidity", "1", "rapidity less that of the jet"),
    Column("azimuth", "rad", "azimuth less that of the jet, in [-pi, pi)"),
    Column("charge", "e", "electric charge"),
)

#: The jet turned about its axis: its longer side, the one of the larger second moment, lies along
#: the first coordinate, and of each coordinate the side that weighs more is the positive one.
TURNED: dict[str, str] = {
    "angle": "arctan2(2 * sum(pt * rapidity * azimuth), sum(pt * (rapidity**2 - azimuth**2))) / 2",
    "turned_1": "rapidity * cos(angle) + azimuth * sin(angle)",
    "turned_2": "azimuth * cos(angle) - rapidity * sin(angle)",
    "along": "turned_1 * (1 if sum(pt * turned_1 * abs(turned_1)) >= 0 else -1)",
    "across": "turned_2 * (1 if sum(pt * turned_2 * abs(turned_2)) >= 0 else -1)",
}

#: What a network is given of a constituent: where it is in the turned jet, its charge, and products
#: with pT whose sums are the jet's momentum across its axis and, squared, its mass. Jets do not
#: know which way is up; networks that are told learn the same from fewer of them.
GIVEN: tuple[dict[str, str], ...] = (
    {
        "name": "pt",
        "unit": "GeV",
        "description": "transverse momentum; falling",
        "expression": "pt * jet_pt",
    },
    {
        "name": "along",
        "unit": "1",
        "description": "distance from the jet's axis along the longer side of the jet",
    },
    {
        "name": "across",
        "unit": "1",
        "description": "distance from the jet's axis across that",
    },
    {"name": "charge", "unit": "e", "description": "electric charge"},
    {
        "name": "log_pt",
        "unit": "1",
        "description": "logarithm of the transverse momentum in GeV, of at least 0.1",
        "expression": "log(maximum(pt * jet_pt, 0.1))",
    },
    {
        "name": "log_distance",
        "unit": "1",
        "description": "logarithm of the distance from the jet's axis, 0.001 added",
        "expression": "log(hypot(along, across) + 0.001)",
    },
    {
        "name": "pt_along",
        "unit": "GeV",
        "description": "transverse momentum times the distance along",
        "expression": "pt * jet_pt * along",
    },
    {
        "name": "pt_across",
        "unit": "GeV",
        "description": "transverse momentum times the distance across",
        "expression": "pt * jet_pt * across",
    },
    {
        "name": "pt_distance2",
        "unit": "GeV",
        "description": "transverse momentum times the squared distance from the jet's axis",
        "expression": "pt * jet_pt * (along**2 + across**2)",
    },
)

#: How what is given follows from the momenta; charges add up.
MOMENTA: dict[str, Any] = {
    "pt": "pt",
    "eta": "along",
    "phi": "across",
    "derived": {
        "log_pt": "log(maximum(pt, 0.1))",
        "log_distance": "log(hypot(along, across) + 0.001)",
        "pt_along": "pt * along",
        "pt_across": "pt * across",
        "pt_distance2": "pt * (along**2 + across**2)",
    },
    "additive": ["charge"],
}
