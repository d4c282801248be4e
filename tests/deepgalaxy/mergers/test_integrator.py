import dataclasses

import numpy as np
import pytest

from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G
from deepgalaxy.mergers.gravity import energy
from deepgalaxy.mergers.integrator import leapfrog
from deepgalaxy.mergers.particles import Particles


def pair(eccentricity: float = 0.0, mass: float = 1e10, distance: float = 10.0) -> Particles:
    """Two equal masses at apocentre; relative orbit of semi-major axis distance / (1 + e)."""
    speed = np.sqrt(G * 2 * mass / distance * (1 - eccentricity))
    return Particles(
        position=np.array([[-distance / 2, 0, 0], [distance / 2, 0, 0]]),
        velocity=np.array([[0, -speed / 2, 0], [0, speed / 2, 0]]),
        mass=np.full(2, mass),
        is_star=np.array([True, False]),
        softening=np.full(2, 1e-3),
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
    assert np.allclose(end.angular_momentum(), start.angular_momentum(), rtol=1e-10)
    assert np.allclose(end.momentum(), 0, atol=1e-3)


def test_energy_of_a_bound_pair_is_that_of_its_orbit():
    start = pair(0.0)
    separation = 10.0
    assert energy(start) == pytest.approx(-G * 1e10 * 1e10 / (2 * separation), rel=1e-6)


def test_at_rest_removes_the_centre_of_mass_motion():
    moved = dataclasses.replace(pair(), position=pair().position + 7.0, velocity=pair().velocity - 3.0)
    assert np.allclose(moved.at_rest().position, pair().position)
    assert np.allclose(moved.at_rest().velocity, pair().velocity)
