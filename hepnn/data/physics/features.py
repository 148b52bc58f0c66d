r"""Features of jets: the sixteen of the public LHC jet set (arXiv:1804.06913), and further ones.

Thirteen of the sixteen come from the correlators of :mod:`hepnn.data.physics.correlators`, on
the constituents that are left after grooming (:mod:`hepnn.data.physics.grooming`):

.. math::
    C_1^{(\beta)} &= e_2^{(\beta)}, \qquad
    C_2^{(\beta)} = e_3^{(\beta)} / (e_2^{(\beta)})^2
        && \text{arXiv:1305.0007} \\
    D_2^{(\beta)} &= e_3^{(\beta)} / (e_2^{(\beta)})^3
        && \text{arXiv:1409.6298} \\
    D_2^{(\alpha, \beta)} &= e_3^{(\alpha)} / (e_2^{(\beta)})^{3 \alpha / \beta}
        && \text{arXiv:1507.03018} \\
    M_2^{(\beta)} &= {}_1e_3^{(\beta)} / {}_1e_2^{(\beta)}
        && \text{arXiv:1609.07483} \\
    N_2^{(\beta)} &= {}_2e_3^{(\beta)} / ({}_1e_2^{(\beta)})^2
        && \text{arXiv:1609.07483}

:math:`D_2^{(1, 1)}` is :math:`D_2^{(1)}` again; both are kept since the public set has both.
The sum of z log z and the multiplicity are of the jet before grooming.
A ratio whose denominator is zero (one constituent left) is stored as zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.correlators import correlators
from hepnn.data.physics.grooming import groom
from hepnn.data.physics.kinematics import Floats, cylindrical
from hepnn.data.physics.recombination import Momenta
from hepnn.data.physics.shape import (
    angularity,
    dispersion,
    leading_share,
    multiplicity,
    sums,
    zlogz,
)
from hepnn.data.physics.subjettiness import RADIUS, subjettiness


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide, giving zero where the denominator is zero."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def groomed_features(
    pt: Floats, rapidity: Floats, azimuth: Floats, offsets: NDArray[np.int64]
) -> dict[str, Floats]:
    """Compute the thirteen features that come from correlators of the groomed jet.

    Parameters
    ----------
    pt, rapidity, azimuth : array, shape (constituents,)
        Constituents left by grooming, one jet after the other.
    offsets : array, shape (jets + 1,)
        Where each jet begins.

    Returns
    -------
    dict
        ``c1_b0_mmdt`` to ``n2_b2_mmdt``, arrays of shape (jets,).
    """
    e = correlators(pt, rapidity, azimuth, offsets)
    features = {"c1_b0_mmdt": e["e2_b0"]}
    for b in ("b1", "b2"):
        e2 = e[f"e2_{b}"]
        features[f"c1_{b}_mmdt"] = e2
        features[f"c2_{b}_mmdt"] = ratio(e[f"v3e3_{b}"], e2**2)
        features[f"d2_{b}_mmdt"] = ratio(e[f"v3e3_{b}"], e2**3)
        features[f"m2_{b}_mmdt"] = ratio(e[f"v1e3_{b}"], e2)
        features[f"n2_{b}_mmdt"] = ratio(e[f"v2e3_{b}"], e2**2)
    features["d2_a1_b1_mmdt"] = features["d2_b1_mmdt"]
    features["d2_a1_b2_mmdt"] = ratio(e["v3e3_b1"], e["e2_b2"] ** 1.5)
    return features


def sixteen(jets: Momenta) -> dict[str, Floats]:
    """Compute the sixteen features of jets from their constituents.

    Parameters
    ----------
    jets : Momenta
        Constituents before grooming.

    Returns
    -------
    dict
        ``c1_b0_mmdt`` to ``n2_b2_mmdt``, ``mass_mmdt`` in GeV, ``zlogz`` and ``multiplicity``,
        arrays of shape (jets,).

    Raises
    ------
    DataError
        When a momentum is not finite or an energy negative, or the offsets are not those of the
        constituents.
    """
    left = groom(jets)
    features = groomed_features(left.pt, left.rapidity, left.azimuth, left.offsets)
    features["mass_mmdt"] = left.mass
    features["zlogz"] = zlogz(np.hypot(jets.px, jets.py), jets.offsets)
    features["multiplicity"] = multiplicity(jets.offsets)
    return features


def further(jets: Momenta, radius: float = RADIUS) -> dict[str, Floats]:
    """Compute features that the public set does not have, of jets before grooming.

    Parameters
    ----------
    jets : Momenta
        Constituents before grooming.
    radius : float
        The jets' radius, the unit of the N-subjettiness' distances.

    Returns
    -------
    dict
        Arrays of shape (jets,): ``tau_1``, ``tau_2``, ``tau_3`` and their ratios ``tau_21``,
        ``tau_32`` (arXiv:1011.2268), ``pt_dispersion`` (CMS-PAS-JME-13-002), ``width``
        (arXiv:1106.3076; not divided by the radius) and ``leading_share``.

    Raises
    ------
    DataError
        When a momentum is not finite or an energy negative, or the offsets are not those of the
        constituents.
    """
    features = subjettiness(jets, radius=radius)
    features["tau_21"] = ratio(features["tau_2"], features["tau_1"])
    features["tau_32"] = ratio(features["tau_3"], features["tau_2"])
    particles = cylindrical(*jets[:4])
    with np.errstate(invalid="ignore", divide="ignore"):  # jets without constituents
        _, *axis = cylindrical(*(sums(column, jets.offsets) for column in jets[:4]))
    features["pt_dispersion"] = dispersion(particles[0], jets.offsets)
    features["width"] = angularity(*particles, jets.offsets, (axis[0], axis[1]))
    features["leading_share"] = leading_share(particles[0], jets.offsets)
    return features
