import dataclasses

import numpy as np
import pytest

from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G
from deepgalaxy.mergers.particles import Particles, accelerations, angular_momentum, energy, leapfrog


def pair(eccentricity: float = 0.0, mass: float = 1e10, distance: float = 10.0) -> Particles:
    """Two equal masses at apocentre; relative orbit of semi-major axis distance / (1 + e)."""
    speed = np.sqrt(G * 2 * mass / distance * (1 - eccentricity))
    return Particles(
        position=np.array([[-distance / 2, 0, 0], [distance / 2, 0, 0]]),
        velocity=np.array([[0, -speed / 2, 0], [0, speed / 2, 0]]),
        mass=np.full(2, mass),
        is_star=np.array([True, False]),
        softening_kpc=1e-3,
    )


def period(state: Particles, eccentricity: float) -> float:
    distance = np.linalg.norm(state.position[1] - state.position[0])
    return 2 * np.pi * np.sqrt((distance / (1 + eccentricity)) ** 3 / (G * state.mass.sum()))


def after_one_period(eccentricity: float, steps: int) -> float:
    start = pair(eccentricity)
    *_, end = leapfrog(start, period(start, eccentricity) / steps, steps)
    return float(np.linalg.norm(end.position - start.position) / np.linalg.norm(start.position))


@pytest.mark.parametrize("eccentricity", [0.0, 0.5])
def test_a_kepler_pair_returns_after_its_period(eccentricity):
    assert after_one_period(eccentricity, 2000) < 1e-3


@pytest.mark.parametrize("eccentricity", [0.0, 0.3])
def test_the_integrators_error_falls_with_the_square_of_the_step(eccentricity):
    ratio = after_one_period(eccentricity, 200) / after_one_period(eccentricity, 400)
    assert 3.7 < ratio < 4.3


def test_energy_momentum_and_angular_momentum_are_conserved():
    start = pair(0.5)
    *_, end = leapfrog(start, period(start, 0.5) / 3000, 3000)
    assert energy(end) == pytest.approx(energy(start), rel=1e-6)
    assert np.allclose(angular_momentum(end), angular_momentum(start), rtol=1e-10)
    assert np.allclose((end.mass[:, None] * end.velocity).sum(0), 0, atol=1e-3)


def test_energy_of_a_bound_pair_is_that_of_its_orbit():
    start = pair(0.0)
    separation = 10.0
    assert energy(start) == pytest.approx(-G * 1e10 * 1e10 / (2 * separation), rel=1e-6)


def test_the_tree_agrees_with_direct_summation(monkeypatch):
    rng = np.random.default_rng(1)
    n = 2000
    cloud = Particles(rng.normal(size=(n, 3)), np.zeros((n, 3)), np.full(n, 1e7), np.ones(n, bool), 0.05, theta=0.5)
    direct = accelerations(cloud)
    monkeypatch.setattr("deepgalaxy.mergers.particles.DIRECT_SUM_UP_TO", 0)
    tree = accelerations(cloud)
    error = np.linalg.norm(tree - direct, axis=1) / np.linalg.norm(direct, axis=1)
    assert np.median(error) < 0.01
    assert not np.array_equal(tree, direct)


def test_at_rest_removes_the_centre_of_mass_motion():
    moved = dataclasses.replace(pair(), position=pair().position + 7.0, velocity=pair().velocity - 3.0)
    assert np.allclose(moved.at_rest().position, pair().position)
    assert np.allclose(moved.at_rest().velocity, pair().velocity)
