import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgalaxy.data.batches import BatchPlan, Loading, select, split
from deepgalaxy.data.layout import read_catalogue
from deepgalaxy.errors import InputError

counts = st.integers(1, 200)
small = st.integers(1, 17)


def epoch(plan, rank, number=0):
    """Images of weight that a rank sees in an epoch, in order, and all weights."""
    first = number * plan.steps_per_epoch
    seen = [plan.batch(first + step, rank) for step in range(plan.steps_per_epoch)]
    return np.concatenate([b.indices[b.weights > 0] for b in seen]), np.concatenate([b.weights for b in seen])


@given(examples=counts, batch_size=small, workers=small, seed=st.integers(0, 9), loading=st.sampled_from(Loading))
def test_every_image_is_seen_once_an_epoch_and_all_ranks_do_the_same_steps(
    examples, batch_size, workers, seed, loading
):
    plan = BatchPlan(examples, batch_size, workers, seed, loading)
    for number in (0, 1):
        seen = [epoch(plan, rank, number)[0] for rank in range(workers)]
        if loading is Loading.ALL:
            assert all(sorted(s) == list(range(examples)) for s in seen)
        else:
            assert sorted(np.concatenate(seen)) == list(range(examples))


@given(examples=counts, batch_size=small, workers=small)
def test_the_weighted_mean_over_the_ranks_is_the_mean_over_the_images(examples, batch_size, workers):
    plan = BatchPlan(examples, batch_size, workers, seed=0)
    value = np.random.default_rng(0).normal(size=examples)
    for step in range(plan.steps_per_epoch):
        batches = [plan.batch(step, rank) for rank in range(workers)]
        mean_of_ranks = np.mean([np.mean(b.weights * value[b.indices]) for b in batches])
        images = np.concatenate([b.indices[b.weights > 0] for b in batches])
        assert mean_of_ranks == pytest.approx(value[images].mean(), abs=1e-5)


@given(examples=st.integers(20, 200), batch_size=st.integers(1, 4), workers=st.integers(1, 5))
def test_dropping_the_remainder_leaves_only_full_batches_and_sees_no_image_twice(examples, batch_size, workers):
    plan = BatchPlan(examples, batch_size, workers, seed=1, drop_remainder=True)
    seen, weights = zip(*(epoch(plan, rank) for rank in range(workers)), strict=True)
    assert np.allclose(np.concatenate(weights), 1)
    together = np.concatenate(seen)
    assert len(set(together)) == len(together) == plan.steps_per_epoch * batch_size * workers


def test_order_depends_on_seed_and_epoch_and_on_nothing_else():
    plan = BatchPlan(100, 4, 2, seed=0)
    assert np.array_equal(epoch(plan, 1)[0], epoch(BatchPlan(100, 4, 2, seed=0), 1)[0])
    assert not np.array_equal(epoch(plan, 1)[0], epoch(plan, 1, number=1)[0])
    assert not np.array_equal(epoch(plan, 1)[0], epoch(BatchPlan(100, 4, 2, seed=1), 1)[0])


@given(examples=counts, per_worker=small, workers=small, seed=st.integers(0, 9))
def test_every_step_sees_the_same_images_at_any_number_of_workers(examples, per_worker, workers, seed):
    one = BatchPlan(examples, per_worker * workers, 1, seed)
    many = BatchPlan(examples, per_worker, workers, seed)
    assert one.steps_per_epoch == many.steps_per_epoch
    for step in range(2 * one.steps_per_epoch):
        whole = one.batch(step, 0)
        parts = [many.batch(step, rank) for rank in range(workers)]
        seen = np.concatenate([p.indices[p.weights > 0] for p in parts])
        assert sorted(whole.indices[whole.weights > 0]) == sorted(seen)


def test_the_three_loading_modes():
    def shards(loading, **more):
        plan = BatchPlan(60, 4, 3, 0, loading, **more)
        return [set(epoch(plan, 1, number)[0]) for number in range(4)]

    assert shards(Loading.ALL) == [set(range(60))] * 4
    fixed = shards(Loading.SHARD)
    assert fixed[0] == fixed[1] == fixed[2] == fixed[3]
    assert len(fixed[0]) == 20
    every_second = shards(Loading.RESHUFFLE, reshuffle_every=2)
    assert every_second[0] == every_second[1] != every_second[2] == every_second[3]
    every = shards(Loading.RESHUFFLE)
    assert every[0] != every[1]


def test_more_ranks_than_images_still_step_together():
    plan = BatchPlan(3, 8, 5, seed=0)
    assert plan.steps_per_epoch == 1
    assert [int((plan.batch(0, rank).weights > 0).sum()) for rank in range(5)] == [1, 1, 1, 0, 0]


def test_too_few_images_for_a_full_batch_and_a_wrong_interval_are_told():
    with pytest.raises(InputError, match="7 images are fewer than one global batch of 2 workers with batch size 4"):
        BatchPlan(7, 4, 2, seed=0, drop_remainder=True)
    with pytest.raises(InputError, match="reshuffle_every 0"):
        BatchPlan(8, 4, 2, seed=0, reshuffle_every=0)


def snapshots(catalogue, examples):
    return {(catalogue.sequences[s].group, label) for s, label in zip(examples.sequence, examples.label, strict=True)}


def test_no_snapshot_is_on_both_sides_of_the_split_unless_asked_for(data_file):
    catalogue = read_catalogue(data_file)
    training, validation = split(catalogue, seed=0)
    assert len(training) + len(validation) == catalogue.images
    assert len(training) == pytest.approx(0.8 * catalogue.images, rel=0.05)
    assert not snapshots(catalogue, training) & snapshots(catalogue, validation)
    training, validation = split(catalogue, seed=0, by_image=True)
    assert len(training) == round(0.8 * catalogue.images)
    assert snapshots(catalogue, training) & snapshots(catalogue, validation)


def test_the_split_follows_its_seed(data_file):
    catalogue = read_catalogue(data_file)
    first, again, other = (split(catalogue, seed=s)[1].frame for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_selection_by_name_camera_and_time(data_file):
    catalogue = read_catalogue(data_file)
    chosen = select(catalogue, "s_0.5_*", cameras=[0, 3], times_myr=(10, 25))
    assert {catalogue.sequences[s].group for s in chosen.sequence} == {"s_0.5_m_0.25"}
    assert {catalogue.sequences[s].camera for s in chosen.sequence} == {0, 3}
    assert sorted(set(chosen.label)) == [2, 3, 4, 5]
    assert len(chosen) == 2 * 4
    assert len(split(catalogue, 0, chosen)[0]) + len(split(catalogue, 0, chosen)[1]) == 8
    with pytest.raises(InputError, match="no image of 's_9_.*holds 2 simulations"):
        select(catalogue, "s_9_*")
