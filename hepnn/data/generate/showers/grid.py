"""Cells that are read out, and the bits of energy that fall in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hepnn.data.physics.kinematics import Floats

# A layer is filled in steps of at most this many radiation lengths.
LONGEST_STEP = 0.5


class Spots(NamedTuple):
    """Bits of energy: their step along the axis, radius in Moliere radii, and energy in GeV."""

    step: np.ndarray
    radius: Floats
    energy: Floats


@dataclass(frozen=True)
class Grid:
    """A block of cells along the beam, centred on it.

    Attributes
    ----------
    cells : int
        Number of cells across, in both directions.
    layers : int
        Number of cells along the beam.
    width : float
        Of a cell, in Moliere radii.
    thickness : float
        Of a layer, in radiation lengths.
    """

    cells: int
    layers: int
    width: float
    thickness: float

    @property
    def steps_a_layer(self) -> int:
        """Number of steps that fill a layer."""
        return int(np.ceil(self.thickness / LONGEST_STEP))

    @property
    def edges(self) -> Floats:
        """Depths in radiation lengths where the steps begin and end."""
        steps = self.layers * self.steps_a_layer
        return np.linspace(0.0, self.layers * self.thickness, steps + 1)

    def fill(self, spots: Spots, x: float, y: float, rng: np.random.Generator) -> Floats:
        """Sum spots in the cells.

        Parameters
        ----------
        spots
            Of one shower.
        x, y
            Where its axis goes through the block, in Moliere radii from the centre.
        rng
            For the azimuth of each spot.

        Returns
        -------
        array, shape (rows, columns, layers)
            Energy in GeV; what falls outside is lost.
        """
        azimuth = rng.uniform(0, 2 * np.pi, len(spots.radius))
        # Radii have a long tail; an index must stay a number.
        radius = np.minimum(spots.radius, 1e6)
        column = np.floor((x + radius * np.cos(azimuth)) / self.width + self.cells / 2)
        row = np.floor((y + radius * np.sin(azimuth)) / self.width + self.cells / 2)
        inside = (column >= 0) & (column < self.cells) & (row >= 0) & (row < self.cells)
        layer = spots.step[inside] // self.steps_a_layer
        cell = (row[inside] * self.cells + column[inside]).astype(np.int64) * self.layers + layer
        total = np.bincount(cell, spots.energy[inside], self.cells**2 * self.layers)
        return total.astype(np.float64).reshape(self.cells, self.cells, self.layers)
