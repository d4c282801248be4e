import numpy as np
import pytest
from galpy.df import eddingtondf, isotropicHernquistdf
from galpy.potential import HernquistPotential, evaluatePotentials

from deepgalaxy.mergers import spheroids
from deepgalaxy.mergers.spheroids import Shape, eddington

SHAPE = Shape(halo_cut=3.3, disc_mass=0.08, disc_scale=0.2, bulge_mass=0.02, bulge_scale=0.05)


def test_eddingtons_formula_has_hernquists_distribution_function():
    sphere = HernquistPotential(amp=2.0, a=1.0)
    energies = evaluatePotentials(sphere, np.geomspace(1e-3, 1e2, 30), 0)
    found = eddington(eddingtondf(pot=sphere, rmax=1e4), energies)
    np.testing.assert_allclose(found, isotropicHernquistdf(pot=sphere).fE(energies), rtol=1e-4)


@pytest.mark.parametrize("component", ["halo", "bulge"])
def test_in_the_gravity_of_a_whole_galaxy_it_has_galpys(component):
    distribution = spheroids._distribution(component, SHAPE)
    energies = evaluatePotentials(distribution._pot, np.array([1e-2, 0.1, 1.0, 5.0, 20.0]), 0)
    np.testing.assert_allclose(distribution.fE(energies), type(distribution).fE(distribution, energies), rtol=1e-5)


def test_few_nodes_are_enough(monkeypatch):
    distribution = spheroids._distribution("halo", SHAPE)
    energies = evaluatePotentials(distribution._pot, np.geomspace(1e-4, 20, 40), 0)
    before = distribution.fE(energies)
    monkeypatch.setattr(spheroids, "NODES", 2 * spheroids.NODES)
    np.testing.assert_allclose(distribution.fE(energies), before, rtol=1e-5)
