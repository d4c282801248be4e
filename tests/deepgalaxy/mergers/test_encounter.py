import numpy as np
import pytest

from deepgalaxy.errors import InputError
from deepgalaxy.mergers import MYR_PER_TIME_UNIT
from deepgalaxy.mergers.encounter import Encounter
from deepgalaxy.mergers.galaxy import Galaxy
from deepgalaxy.mergers.particles import angular_momentum, energy, leapfrog


@pytest.fixture(scope="module")
def galaxy():
    return Galaxy().sample(4000, np.random.default_rng(0))


def half_mass_radius(particles, stars: bool) -> float:
    return float(np.median(np.linalg.norm(particles.position[particles.is_star == stars], axis=1)))


def test_a_galaxy_has_the_mass_and_the_size_it_should(galaxy):
    model = Galaxy()
    assert galaxy.mass.sum() == pytest.approx(model.mass)
    assert galaxy.mass[galaxy.is_star].sum() == pytest.approx(model.disc_mass)
    # Half the mass of an exponential disc lies within 1.678 scale lengths.
    assert half_mass_radius(galaxy, stars=True) == pytest.approx(1.678 * model.disc_scale_kpc, rel=0.06)
    # Half the mass of this halo: m(x) = ln(1 + x) - x / (1 + x) at half its value at the cut.
    x = np.linspace(0, model.halo_cut_kpc / model.halo_scale_kpc, 10_000)
    enclosed = np.log1p(x) - x / (1 + x)
    half = np.interp(enclosed[-1] / 2, enclosed, x) * model.halo_scale_kpc
    assert half_mass_radius(galaxy, stars=False) == pytest.approx(half, rel=0.06)


def test_a_galaxy_is_near_virial_equilibrium_and_its_disc_turns(galaxy):
    kinetic = 0.5 * np.sum(galaxy.mass * np.sum(galaxy.velocity**2, axis=1))
    virial = 2 * kinetic / abs(energy(galaxy) - kinetic)
    assert virial == pytest.approx(1.0, abs=0.03)
    stars = galaxy.is_star
    spin = np.cross(galaxy.position[stars], galaxy.velocity[stars]).mean(axis=0)
    assert spin[2] > 10 * np.hypot(spin[0], spin[1])


def test_an_isolated_galaxy_stays_as_it_is(galaxy):
    *_, later = leapfrog(galaxy, 0.5 / MYR_PER_TIME_UNIT, 200)
    assert half_mass_radius(later, stars=True) == pytest.approx(half_mass_radius(galaxy, stars=True), rel=0.12)
    assert half_mass_radius(later, stars=False) == pytest.approx(half_mass_radius(galaxy, stars=False), rel=0.08)
    assert energy(later) == pytest.approx(energy(galaxy), rel=1e-3)


def test_the_pair_starts_where_and_as_fast_as_it_should():
    encounter = Encounter(mass_ratio=0.5, particles=2000)
    state = encounter.initial_state()
    n_first = round(2000 / 1.5)
    first, second = slice(None, n_first), slice(n_first, None)

    def mean(values, which):
        return np.average(values[which], axis=0, weights=state.mass[which])

    apart = mean(state.position, first) - mean(state.position, second)
    assert np.linalg.norm(apart) == pytest.approx(encounter.separation_kpc, rel=1e-6)
    assert np.allclose(np.average(state.velocity, axis=0, weights=state.mass), 0, atol=1e-9)
    assert angular_momentum(state)[2] > 0


def test_two_galaxies_merge_within_the_71_snapshots_and_keep_their_energy():
    encounter = Encounter(particles=1000)
    states = list(encounter.snapshots())
    assert [t for t, _ in states] == [5.0 * i for i in range(71)]
    first_galaxy = np.arange(1000) < 500

    def apart(state):
        first, second = (np.median(state.position[state.is_star & g], axis=0) for g in (first_galaxy, ~first_galaxy))
        return np.linalg.norm(first - second)

    assert apart(states[0][1]) > 40
    # Contact is near class 20 (paper, Fig. 1), then they part again, and end as one.
    distances = [apart(state) for _, state in states]
    assert 18 <= int(np.argmin(distances[:27])) <= 24
    assert max(distances[24:36]) > 2 * min(distances[:27])
    assert max(distances[-10:]) < 3
    assert energy(states[-1][1]) == pytest.approx(energy(states[0][1]), rel=5e-3)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    a, b, other = (Encounter(particles=400, seed=seed).initial_state() for seed in (1, 1, 2))
    assert a.position.tobytes() == b.position.tobytes()
    assert a.velocity.tobytes() == b.velocity.tobytes()
    assert not np.array_equal(a.position, other.position)


@pytest.mark.parametrize(
    "fields", [{"mass_ratio": 0}, {"particles": 5}, {"pericentre_kpc": 100}, {"time_step_myr": -1}]
)
def test_an_impossible_encounter_is_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        Encounter(**fields)
