"""The scaling of predicted quantities: as of the inputs, an offset on the grid and a power of two.

The network puts out `z = (y - offset) * 2**-exponent`; in firmware a shift and an addition, both
exact, give the quantity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hepnn import files
from hepnn.errors import RunError
from hepnn.run import Run

#: Where a run keeps it, beside its events.
FILE = "targets.npz"


@dataclass(frozen=True)
class Scaling:
    """What lies between a network's outputs and the quantities that it predicts.

    Attributes
    ----------
    offset, exponent : np.ndarray
        Of each target `(targets,)`.
    mean : np.ndarray
        The training split's mean of each target `(targets,)`.
    units : tuple of str
        The unit of each target; `1` for none.
    names : tuple of str
        The name of each target.
    transforms : tuple of str
        The data card's scaling of each target; `log` and `asinh` are transforms.
    """

    offset: np.ndarray
    exponent: np.ndarray
    mean: np.ndarray
    units: tuple[str, ...]
    names: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()


def of(run: Run) -> Scaling | None:
    """Return the scaling of what a run predicts; None where that is not numbers.

    A target that the data layer transformed (`log`, `asinh`) is predicted and judged as such:
    its unit is `log(GeV)`.

    Raises
    ------
    RunError
        If the file that holds it is missing or damaged.
    """
    targets = run.manifest["data"].get("targets")
    if not targets:
        return None
    path = run.path / "data" / FILE
    arrays = files.read_arrays(path)
    try:
        return Scaling(
            offset=arrays["offset"],
            exponent=arrays["exponent"],
            mean=arrays["mean"],
            units=tuple(_unit(target) for target in targets),
            names=tuple(target["name"] for target in targets),
            transforms=tuple(target["scaling"] for target in targets),
        )
    except KeyError as error:
        raise RunError(f"{path} is damaged: no {error}") from error


def between(known: Scaling | None, wanted: Scaling | None) -> dict[str, np.ndarray] | None:
    """Return what takes outputs of one scaling to another: `(z - offset) * 2**-exponent`.

    None where both are the same.
    """
    if known is None or wanted is None:
        return None
    same = np.array_equal(known.offset, wanted.offset)
    if same and np.array_equal(known.exponent, wanted.exponent):
        return None
    return {
        "offset": (wanted.offset - known.offset) * 2.0**-known.exponent,
        "exponent": wanted.exponent - known.exponent,
    }


def _unit(target: dict[str, str]) -> str:
    unit, transform = target["unit"], target["scaling"]
    return f"{transform}({unit})" if transform in ("log", "asinh") and unit != "1" else unit
