import numpy as np
import pytest

from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G
from deepgalaxy.mergers.gravity import accelerations, dynamical_times, energy
from deepgalaxy.mergers.particles import Particles


def sphere(n: int = 3000, radius: float = 10.0, mass: float = 1e11) -> Particles:
    """A homogeneous sphere at rest."""
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    r = radius * rng.random(n) ** (1 / 3)
    return Particles(r[:, None] * direction, np.zeros((n, 3)), np.full(n, mass / n), np.ones(n, bool), np.full(n, 0.1))


def test_a_homogeneous_sphere_pulls_as_newton_says():
    ball = sphere()
    r = np.linalg.norm(ball.position, axis=1)
    inward = -np.sum(accelerations(ball) * ball.position, axis=1) / r
    middle = (r > 4) & (r < 9)
    slope = np.median(inward[middle] / r[middle])
    assert slope == pytest.approx(G * 1e11 / 10.0**3, rel=0.05)
    assert energy(ball) == pytest.approx(-0.6 * G * 1e11**2 / 10.0, rel=0.02)


def test_forces_cancel_in_sum():
    ball = sphere(500)
    pull = ball.mass[:, None] * accelerations(ball)
    assert np.linalg.norm(pull.sum(axis=0)) < 1e-9 * np.linalg.norm(pull, axis=1).sum()


def test_the_dynamical_time_of_a_kepler_orbit_is_its_period_over_two_pi():
    position = np.array([[0.0, 0, 0], [5.0, 0, 0]])
    pair = Particles(position, np.zeros((2, 3)), np.array([1e11, 1.0]), np.ones(2, bool), np.full(2, 1e-3))
    assert dynamical_times(pair)[1] == pytest.approx(np.sqrt(5.0**3 / (G * 1e11)), rel=1e-6)


def test_the_tree_agrees_with_direct_summation(monkeypatch):
    ball = sphere(2000)
    direct, exact_energy = accelerations(ball), energy(ball)
    monkeypatch.setattr("deepgalaxy.mergers.gravity.DIRECT_SUM_UP_TO", 0)
    tree = accelerations(ball)
    error = np.linalg.norm(tree - direct, axis=1) / np.linalg.norm(direct, axis=1)
    assert 0 < np.median(error) < 0.01
    assert energy(ball) == pytest.approx(exact_energy, rel=1e-3)
