import dataclasses

import numpy as np
import pytest
from galpy.potential import ExpTruncNFWPotential

from deepgalaxy.errors import InputError
from deepgalaxy.mergers import MYR_PER_TIME_UNIT
from deepgalaxy.mergers.galaxy import Galaxy
from deepgalaxy.mergers.gravity import energy
from deepgalaxy.mergers.integrator import leapfrog


@pytest.fixture(scope="module")
def galaxy():
    return Galaxy().sample(8000, np.random.default_rng(0))


def half_mass_radius(particles, stars: bool) -> float:
    return float(np.median(np.linalg.norm(particles.position[particles.is_star == stars], axis=1)))


def virial_ratio(particles) -> float:
    kinetic = particles.kinetic_energy()
    return 2 * kinetic / abs(energy(particles) - kinetic)


def disc_profiles(particles):
    """Surface density (stars per kpc^2) and mean rotation (km/s) of the stars in rings."""
    edges = np.array([0.7, 2.0, 3.5, 5.0, 7.0, 9.0])
    x, y, _ = particles.position[particles.is_star].T
    u, v, _ = particles.velocity[particles.is_star].T
    radius = np.hypot(x, y)
    ring = np.digitize(radius, edges)
    spin = (x * v - y * u) / radius
    rings = range(1, len(edges))
    count = np.array([np.sum(ring == i) for i in rings])
    area = np.pi * np.diff(edges**2)
    return count / area, np.array([spin[ring == i].mean() for i in rings])


def test_a_galaxy_has_the_mass_and_the_size_it_should(galaxy):
    model = Galaxy()
    assert galaxy.mass.sum() == pytest.approx(model.mass)
    assert galaxy.mass[galaxy.is_star].sum() == pytest.approx(model.disc_mass)
    # Half the mass of an exponential disc lies within 1.678 scale lengths.
    assert half_mass_radius(galaxy, stars=True) == pytest.approx(1.678 * model.disc_scale_kpc, rel=0.06)
    halo = ExpTruncNFWPotential(mass=1.0, a=model.halo_scale_kpc, rc=model.halo_cut_kpc)
    assert halo.mass(half_mass_radius(galaxy, stars=False)) == pytest.approx(0.5, abs=0.02)


def test_a_galaxy_is_in_virial_equilibrium_and_its_disc_turns(galaxy):
    assert virial_ratio(galaxy) == pytest.approx(1.0, abs=0.02)
    stars = galaxy.is_star
    spin = np.cross(galaxy.position[stars], galaxy.velocity[stars]).mean(axis=0)
    assert spin[2] > 10 * np.hypot(spin[0], spin[1])


def test_an_isolated_galaxy_stays_as_it_is_for_the_whole_span(galaxy):
    *_, later = leapfrog(galaxy, 5 / 6 / MYR_PER_TIME_UNIT, 420)
    assert half_mass_radius(later, stars=True) == pytest.approx(half_mass_radius(galaxy, stars=True), rel=0.1)
    assert half_mass_radius(later, stars=False) == pytest.approx(half_mass_radius(galaxy, stars=False), rel=0.06)
    (density, rotation), (density_later, rotation_later) = disc_profiles(galaxy), disc_profiles(later)
    # 4,000 halo particles stir the disc: its inner stars trade some rotation for random motion.
    assert np.allclose(density_later, density, rtol=0.2)
    assert np.allclose(rotation_later, rotation, rtol=0.22)
    assert energy(later) == pytest.approx(energy(galaxy), rel=1e-3)
    assert virial_ratio(later) == pytest.approx(1.0, abs=0.03)


def test_a_bulge_adds_stars_in_the_middle_and_keeps_the_balance():
    model = Galaxy(bulge_mass=1e10)
    with_bulge = model.sample(6000, np.random.default_rng(0))
    assert with_bulge.mass.sum() == pytest.approx(model.mass)
    assert with_bulge.mass[with_bulge.is_star].sum() == pytest.approx(6e10)
    plain = Galaxy().sample(6000, np.random.default_rng(0))
    assert half_mass_radius(with_bulge, stars=True) < 0.95 * half_mass_radius(plain, stars=True)
    assert virial_ratio(with_bulge) == pytest.approx(1.0, abs=0.04)


def test_a_scaled_galaxy_is_the_same_but_for_its_units():
    small = Galaxy().scaled(0.5, 0.25).sample(1000, np.random.default_rng(3))
    plain = Galaxy().sample(1000, np.random.default_rng(3))
    assert np.allclose(small.position[~small.is_star], plain.position[~plain.is_star] / 4, atol=0.01)
    ratio = (
        np.linalg.norm(small.velocity, axis=1)[~small.is_star] / np.linalg.norm(plain.velocity, axis=1)[~plain.is_star]
    )
    assert np.median(ratio) == pytest.approx(np.sqrt(2), rel=0.01)


def test_sampling_leaves_numpys_own_generator_alone():
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    Galaxy().sample(400, np.random.default_rng(0))
    assert np.random.random() == expected


@pytest.mark.parametrize("field", ["disc_mass", "halo_cut_kpc", "bulge_mass"])
def test_an_impossible_galaxy_is_refused(field):
    with pytest.raises(InputError, match=field):
        dataclasses.replace(Galaxy(), **{field: -1.0})
