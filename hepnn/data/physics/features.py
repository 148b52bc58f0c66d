r"""The sixteen features of a jet, as named in the public LHC jet set (arXiv:1804.06913).

From the correlators of :mod:`hepnn.data.physics.correlators`, on the constituents that are left
after grooming with the modified mass-drop tagger (arXiv:1307.0007):

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
from hepnn.data.physics.kinematics import Floats


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


def zlogz(pt: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Sum z log z over each jet's constituents, z being the share of the scalar sum of pT.

    Examples
    --------
    >>> round(float(zlogz(np.array([1.0, 1.0]), np.array([0, 2]))[0]), 6)
    -0.693147
    """
    starts = offsets[:-1]
    z = pt / np.repeat(np.add.reduceat(pt, starts), np.diff(offsets))
    return np.add.reduceat(z * np.log(z), starts)
