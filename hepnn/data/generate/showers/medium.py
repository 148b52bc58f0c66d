"""What a calorimeter is made of, in the numbers that showers depend on."""

from __future__ import annotations

from dataclasses import dataclass

# Scale energy of multiple scattering as the parametrization takes it, in MeV.
SCATTERING_SCALE = 21.0


@dataclass(frozen=True)
class Medium:
    """A material.

    Attributes
    ----------
    charge : float
        Atomic number Z.
    weight : float
        Atomic weight A.
    density : float
        In g/cm3.
    radiation_length : float
        X0 in g/cm2.
    interaction_length : float
        Nuclear interaction length in g/cm2.
    ionization : float
        Least mean energy loss of a particle of charge 1, in MeV cm2/g.
    """

    charge: float
    weight: float
    density: float
    radiation_length: float
    interaction_length: float
    ionization: float

    @property
    def critical_energy(self) -> float:
        """Critical energy in GeV: 2.66 MeV (X0 Z / A)^1.1 (hep-ex/0001020)."""
        return 2.66e-3 * (self.radiation_length * self.charge / self.weight) ** 1.1

    @property
    def moliere_radius(self) -> float:
        """Moliere radius in radiation lengths: 21 MeV over the critical energy."""
        return SCATTERING_SCALE * 1e-3 / self.critical_energy

    @property
    def interaction_depth(self) -> float:
        """Nuclear interaction length in radiation lengths."""
        return self.interaction_length / self.radiation_length

    @property
    def ionization_depth(self) -> float:
        """Least energy loss in GeV a radiation length."""
        return self.ionization * 1e-3 * self.radiation_length


#: Iron; S. Navas et al. (Particle Data Group), Phys. Rev. D 110 (2024) 030001, section 6.
IRON = Medium(26, 55.845, 7.874, 13.84, 132.1, 1.451)
