import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.projection.memory import Load, Peak, fit
from bench.projection.memory_errors import errors, left_out
from deepgalaxy.errors import InputError
from deepgalaxy.networks.costs import MemoryCost
from deepgalaxy.words import Engine, Mode, Precision

MIB = 2**20
BASE, GRAPH_BYTES, FACTOR = 500 * MIB, 20_000, {"train": 1.2, "infer": 1.5}


def cost(parameters, operations, training, inference):
    return MemoryCost(
        parameters=parameters,
        trainable_parameters=parameters - 1000,
        gradient_tensors=10,
        operations=operations,
        training_bytes_per_pixel=training,
        inference_bytes_per_pixel=inference,
    )


COSTS = {
    "Deep": cost(4_000_000, 4000, 1800.0, 500.0),
    "Wide": cost(25_000_000, 1500, 1300.0, 200.0),
    "Fat": cost(140_000_000, 600, 900.0, 300.0),
    "Thin": cost(2_000_000, 2500, 700.0, 100.0),
    "New": cost(20_000_000, 6000, 2500.0, 400.0),
}
MEASURED_BACKBONES = ("Deep", "Wide", "Fat", "Thin")
MODES = (Mode.TRAIN, Mode.INFER)


def truth(load, own=None):
    """Bytes by hand: Adadelta has two slots, and there is a gradient, for each trainable number."""
    c = COSTS[load.backbone]
    pixels = load.batch_size * load.resolution**2
    own = (own or {}).get(load.backbone, 1.0)
    if load.mode is Mode.INFER:
        return BASE + 3 * 4 * c.parameters + FACTOR["infer"] * own * pixels * c.inference_bytes_per_pixel
    state = 4 * (c.parameters + 3 * c.trainable_parameters)
    maps = FACTOR["train"] * own * pixels * c.training_bytes_per_pixel
    exchange = 80 * MIB + 2 * min(128 * MIB, 4 * c.trainable_parameters) if load.workers > 1 else 0
    return BASE + 1.1 * state + GRAPH_BYTES * c.operations + maps + exchange


def load(mode=Mode.TRAIN, backbone="Deep", resolution=128, batch_size=8, **fields):
    return Load(mode=mode, backbone=backbone, resolution=resolution, batch_size=batch_size, **fields)


def loads(backbones=MEASURED_BACKBONES, ranks=(1, 2)):
    return [
        load(mode, backbone, resolution, batch, workers=workers)
        for mode in MODES
        for backbone in backbones
        for resolution, batch in ((64, 8), (128, 4), (256, 8), (512, 2))
        for workers in (ranks if mode is Mode.TRAIN else (1,))
    ]


def measured(noise=0.0, own=None, seed=0, **chosen):
    rng = np.random.default_rng(seed)
    return [Peak(each, truth(each, own) * np.exp(noise * rng.normal())) for each in loads(**chosen)]


EXACT = fit(measured(), COSTS)


@given(
    st.sampled_from(MODES),
    st.sampled_from(sorted(COSTS)),
    st.sampled_from([32, 224, 1024, 2048]),
    st.integers(1, 64),
    st.integers(1, 2),
)
def test_any_point_follows_from_exact_ones(mode, backbone, resolution, batch, workers):
    asked = load(mode, backbone, resolution, batch, workers=workers if mode is Mode.TRAIN else 1)
    estimate = EXACT.predict(asked)
    assert estimate.peak_rss_bytes == pytest.approx(truth(asked), rel=1e-4)
    assert estimate.low <= estimate.peak_rss_bytes <= estimate.high
    assert sum(estimate.parts.values()) == pytest.approx(estimate.peak_rss_bytes)
    assert min(estimate.parts.values()) >= 0


NOISY = fit(measured(noise=0.03), COSTS)


@given(st.sampled_from(sorted(COSTS)), st.integers(32, 1024), st.integers(1, 32), st.integers(1, 4))
def test_more_pixels_never_need_less(backbone, resolution, batch, times):
    def peak(resolution, batch):
        return NOISY.predict(load(backbone=backbone, resolution=resolution, batch_size=batch)).peak_rss_bytes

    assert peak(resolution, batch) <= peak(resolution, batch * times) <= peak(resolution * times, batch * times)


def test_intervals_hold_new_points_as_often_as_they_say():
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(1000 + seed)
        model = fit(measured(noise=0.03, seed=seed), COSTS)
        for asked in (load(resolution=384), load(Mode.INFER, "Fat", 256, 4), load(backbone="Thin", batch_size=64)):
            estimate = model.predict(asked)
            inside.append(estimate.low <= truth(asked) * np.exp(0.03 * rng.normal()) <= estimate.high)
    assert 0.88 <= np.mean(inside) <= 1.0


def test_a_backbones_own_share_is_learnt_where_it_was_measured():
    own = {"Deep": 1.2, "Thin": 0.85}
    model = fit(measured(noise=0.01, own=own), COSTS)
    for backbone in MEASURED_BACKBONES:
        asked = load(backbone=backbone, resolution=1024)
        assert model.predict(asked).peak_rss_bytes == pytest.approx(truth(asked, own), rel=0.05)


def test_a_backbone_never_measured_has_the_wider_interval():
    known, new = (NOISY.predict(load(backbone=name, resolution=1024)) for name in ("Deep", "New"))
    assert new.high / new.low > 1.2 * known.high / known.low


def test_slots_of_the_optimizer_count():
    peak = {name: EXACT.predict(load(backbone="Fat", optimizer=name)).parts["state"] for name in ("SGD", "Adadelta")}
    assert peak["Adadelta"] - peak["SGD"] == pytest.approx(1.1 * 2 * 4 * COSTS["Fat"].trainable_parameters, rel=1e-3)


def test_left_out_means_unseen():
    points = measured(noise=0.01)
    wrong = Peak(points[5].load, 2 * points[5].peak_rss_bytes)
    misses = {m.measured.load: m for m in left_out([*points[:5], wrong, *points[6:]], COSTS)}
    assert misses[wrong.load].error == pytest.approx(-0.5, abs=0.05)
    assert not misses[wrong.load].inside
    by_backbone = left_out(points, COSTS, lambda each: each.backbone)
    assert len(by_backbone) == len(points)
    assert errors(by_backbone)["median"] < 0.05
    assert errors(by_backbone)["points"] == len(points)


def test_what_was_not_measured_is_not_guessed():
    asked = load(precision=Precision.BF16, engine=Engine.ITEX)
    assert not EXACT.knows(asked)
    with pytest.raises(InputError, match="train Deep in bf16 with itex: no point of this mode, precision and engine"):
        EXACT.predict(asked)
    with pytest.raises(InputError, match="Other has no costs yet"):
        EXACT.predict(load(backbone="Other"))
    alone = fit(measured(ranks=(1,)), COSTS)
    assert not alone.knows(load(workers=2))


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (measured()[:2], "2 measured points are too few for a memory model"),
        ([Peak(load(backbone="Depp"), 1e9)], "near names: Deep"),
        ([Peak(load(optimizer="Adadelt"), 1e9)], "near names: Adadelta"),
    ],
)
def test_wrong_points_are_refused(points, told):
    with pytest.raises(InputError, match=told):
        fit(points, COSTS)
