import numpy as np
import pytest

from deepgalaxy.errors import InputError
from deepgalaxy.mergers.encounter import Encounter
from deepgalaxy.mergers.gravity import energy


def test_the_pair_starts_where_and_as_fast_as_it_should():
    encounter = Encounter(mass_ratio=0.5, particles=2000)
    state = encounter.initial_state()
    n_first = round(2000 / 1.5)
    first, second = slice(None, n_first), slice(n_first, None)

    def mean(values, which):
        return np.average(values[which], axis=0, weights=state.mass[which])

    apart = mean(state.position, first) - mean(state.position, second)
    assert np.linalg.norm(apart) == pytest.approx(encounter.separation_kpc * 0.75 ** (1 / 3), rel=1e-6)
    assert np.allclose(np.average(state.velocity, axis=0, weights=state.mass), 0, atol=1e-9)
    assert state.angular_momentum()[2] > 0


@pytest.mark.parametrize(("mass_ratio", "size_ratio"), [(1.0, 1.0), (0.25, 0.5)])
def test_two_galaxies_merge_within_the_71_snapshots_and_keep_their_energy(mass_ratio, size_ratio):
    encounter = Encounter(particles=2000, mass_ratio=mass_ratio, size_ratio=size_ratio)
    states = list(encounter.snapshots())
    assert [t for t, _ in states] == [5.0 * i for i in range(71)]
    first_galaxy = np.arange(2000) < round(2000 / (1 + mass_ratio))

    def apart(state):
        first, second = (np.median(state.position[state.is_star & g], axis=0) for g in (first_galaxy, ~first_galaxy))
        return np.linalg.norm(first - second)

    assert apart(states[0][1]) > 35
    # Contact is near class 20 (paper, Fig. 1), then they part again, and end as one.
    distances = [apart(state) for _, state in states]
    assert 18 <= int(np.argmin(distances[:27])) <= 24
    assert max(distances[24:36]) > 2 * min(distances[:27])
    assert max(distances[-10:]) < 3
    start, end = states[0][1], states[-1][1]
    assert energy(end) == pytest.approx(energy(start), rel=2e-3)
    assert np.linalg.norm(end.momentum()) < 1e-10 * np.sum(end.mass * np.linalg.norm(end.velocity, axis=1))
    assert np.allclose(end.angular_momentum(), start.angular_momentum(), rtol=1e-9, atol=1e-9 * start.mass.sum())
    kinetic = end.kinetic_energy()
    assert 2 * kinetic / abs(energy(end) - kinetic) == pytest.approx(1.0, abs=0.06)  # relaxed


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    a, b, other = (Encounter(particles=400, seed=seed).initial_state() for seed in (1, 1, 2))
    assert a.position.tobytes() == b.position.tobytes()
    assert a.velocity.tobytes() == b.velocity.tobytes()
    assert not np.array_equal(a.position, other.position)


@pytest.mark.parametrize(
    "fields",
    [{"mass_ratio": 0}, {"particles": 5}, {"pericentre_kpc": 100}, {"time_step_myr": -1}, {"time_step_myr": 6}],
)
def test_an_impossible_encounter_is_refused(fields):
    with pytest.raises(InputError, match=next(iter(fields))):
        Encounter(**fields)


def test_compact_galaxies_get_shorter_steps():
    steps = {
        size: (e := Encounter(size_ratio=size, particles=2000)).steps_per_snapshot(e.initial_state())
        for size in (0.25, 1.0)
    }
    assert steps[0.25] > steps[1.0]
    assert (
        Encounter(particles=400, time_step_myr=0.5).steps_per_snapshot(Encounter(particles=400).initial_state()) == 10
    )
