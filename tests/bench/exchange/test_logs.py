"""Other programs' logs, in the forms that their sources print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.exchange.logs import PROGRAMS, SETTLING_EPOCHS, read_log
from deepgalaxy.errors import InputError
from deepgalaxy.words import Mode

HOROVOD = """Model: ResNet50
Batch size: 32
Number of GPUs: 4
Running warmup...
Running benchmark...
Iter #0: 300.1 img/sec per GPU
Iter #1: 310.5 img/sec per GPU
Img/sec per GPU: 305.3 +-10.2
Total img/sec on 4 GPU(s): 1221.2 +-40.8
"""
TF_CNN = """TensorFlow:  2.3
Model:       resnet50
Dataset:     imagenet (synthetic)
Mode:        training
SingleSess:  False
Batch size:  {everyone} global
             64 per device
Devices:     ['horovod/cpu:0', 'horovod/cpu:1']
Variables:   horovod
==========
Done warm up
Step\tImg/sec\ttotal_loss
1\timages/sec: 10.9 +/- 0.0 (jitter = 0.0)\t8.297
10\timages/sec: 11.3 +/- 0.1 (jitter = 0.8)\t8.541
"""
TOTAL = "----------------\ntotal images/sec: {}\n----------------\n"
HEADER = """Parallel training enabled.
batch_size = 4, global_batch_size = 16, num_workers = 4

hvd_rank = 0, hvd_local_rank = 0
"""


def epochs(seconds, images=255, workers=4):
    """Lines as `callbacks.py` prints them, of epochs of so many seconds."""
    return "".join(
        f"[Performance] Epoch {i} takes {s:.2f} seconds. Throughput: {images / s:.2f} images/sec (per worker), "
        f"{workers * images / s:.2f} images/sec (total)\n"
        for i, s in enumerate(seconds)
    )


TRAIN_LOG = HEADER + epochs([107.6, 17.2, 11.0, 10.0, 12.0])


def test_horovods_benchmark_is_read_with_its_flaws():
    (run,) = read_log("horovod-synthetic", HOROVOD, "log")
    assert (run.throughput_images_per_s, run.workers, run.batch_size) == (1221.2, 4, 32)
    assert (run.backbone, run.resolution, run.device, run.mode) == ("ResNet50", 224, "gpu", Mode.TRAIN)
    flaws = " ".join(run.flaws)
    assert "no data pipeline" in flaws and "rank 0" in flaws and "+-40.8 is 1.96 standard deviations" in flaws


def test_lines_may_carry_a_launchers_mark_and_several_runs_follow_each_other():
    second = HOROVOD.replace("on 4 GPU", "on 1 GPU").replace("1221.2", "305.3")
    marked = "".join(f"[1,0]<stdout>:{line}\n" for line in (HOROVOD + second).splitlines())
    assert [(r.workers, r.throughput_images_per_s) for r in read_log("horovod-synthetic", marked, "log")] == [
        (4, 1221.2),
        (1, 305.3),
    ]


def test_tf_cnn_benchmarks_counts_devices_and_takes_the_slowest_ranks_total():
    log = TF_CNN.format(everyone=128) + TOTAL.format("22.70") + TOTAL.format("22.64")
    (run,) = read_log("tf-cnn-benchmarks", log, "log")
    assert (run.throughput_images_per_s, run.workers, run.batch_size) == (22.64, 2, 64)
    assert (run.backbone, run.device, run.engine, run.mode) == ("resnet50", "cpu", "tensorflow", Mode.TRAIN)
    assert run.flaws[0] == "synthetic images: no data pipeline" and "one rank's throughput times" in run.flaws[1]
    real = log.replace(" (synthetic)", "").replace("Mode:        training", "Mode:        forward-only")
    (run,) = read_log("tf-cnn-benchmarks", real, "log")
    assert run.mode is Mode.INFER and not any("pipeline" in flaw for flaw in run.flaws)
    one_process = log.replace("Variables:   horovod", "Variables:   parameter_server")
    (run,) = read_log("tf-cnn-benchmarks", one_process, "log")
    assert not any("rank" in flaw for flaw in run.flaws)


def test_tf_cnn_benchmarks_without_its_settings_leaves_the_workers_open():
    (run,) = read_log("tf-cnn-benchmarks", TOTAL.format("22.64"), "log")
    assert run.workers is None and 8 in run.possible_workers
    (run,) = read_log("tf-cnn-benchmarks", 2 * TOTAL.format("22.64"), "log")
    assert list(run.possible_workers) == [2]


def test_deepgalaxys_log_is_images_over_seconds_after_the_third_epoch():
    (run,) = read_log("deepgalaxy-train-log", TRAIN_LOG, "log")
    assert run.throughput_images_per_s == pytest.approx(2 * 4 * 255 / 22, rel=1e-3)
    assert (run.workers, run.batch_size, run.resolution) == (4, 4, None)
    assert "validation" in run.flaws[0]


def test_the_ten_epochs_of_deepgalaxys_readme():
    """github.com/maxwelltsai/DeepGalaxy, README, "Use DeepGalaxy as a benchmark suite": stable at 92 images/s."""
    seconds = [107.60, 17.15, 10.95, 10.99, 11.01, 11.00, 11.05, 11.16, 11.11, 11.10]
    each = [2.37, 14.87, 23.29, 23.21, 23.17, 23.18, 23.08, 22.86, 22.96, 22.97]
    total = [9.48, 59.47, 93.15, 92.82, 92.67, 92.72, 92.31, 91.44, 91.85, 91.87]
    log = "".join(
        f"[Performance] Epoch {i} takes {s:.2f} seconds. Throughput: {e:.2f} images/sec (per worker), "
        f"{t:.2f} images/sec (total)\n"
        for i, (s, e, t) in enumerate(zip(seconds, each, total, strict=True))
    )
    (run,) = read_log("deepgalaxy-train-log", log, "log")
    assert run.workers == 4
    assert run.throughput_images_per_s == pytest.approx(7 * 4 * 255 / sum(seconds[3:]), rel=1e-3)


def test_deepgalaxys_log_grows_run_by_run():
    without_header = epochs([9.0] * 5, workers=2)
    runs = read_log("deepgalaxy-train-log", TRAIN_LOG + without_header, "log")
    assert [(r.workers, r.batch_size) for r in runs] == [(4, 4), (2, None)]


@given(
    workers=st.integers(1, 1024),
    images=st.integers(100, 10_000),
    seconds=st.lists(st.floats(1, 100), min_size=SETTLING_EPOCHS + 1, max_size=12),
)
def test_workers_and_throughput_follow_from_the_epochs_alone(workers, images, seconds):
    (run,) = read_log("deepgalaxy-train-log", epochs(seconds, images, workers), "log")
    used = seconds[SETTLING_EPOCHS:]
    assert workers in run.possible_workers  # two decimals may leave a few
    assert run.workers in (workers, None) and (run.workers is None) == (len(run.possible_workers) > 1)
    assert run.throughput_images_per_s == pytest.approx(workers * images * len(used) / sum(used), rel=0.02)


@pytest.mark.parametrize(
    ("program", "log", "told"),
    [
        ("horovod-synthetic", " \n", "log is empty"),
        ("horovod-synthetic", "hello\n", "log is no log of Horovod's synthetic benchmark"),
        ("horovod-synthetic", TRAIN_LOG, "it looks like one for --from deepgalaxy-train-log"),
        ("horovod-synthetic", HOROVOD[: HOROVOD.index("Total")], "cut off"),
        ("horovod-synthetic", HOROVOD[: HOROVOD.index(" +-40.8")], "cut off"),
        ("horovod-synthetic", HOROVOD + "Model: ResNet50\n", "cut off"),
        ("horovod-synthetic", HOROVOD.replace("1221.2", "1321.2"), "305.3` times 4 is not the total of 1321.2"),
        ("tf-cnn-benchmarks", TF_CNN.format(everyone=128), "cut off"),
        (
            "tf-cnn-benchmarks",
            TF_CNN.format(everyone=128) + 3 * TOTAL.format("9.10"),
            "3 lines `total images/sec` for 2",
        ),
        ("tf-cnn-benchmarks", HOROVOD, "it looks like one for --from horovod-synthetic"),
        ("deepgalaxy-train-log", TRAIN_LOG[:-20], "cut off: '"),
        ("deepgalaxy-train-log", HEADER, "cut off: a run in it has 0 epochs"),
        ("deepgalaxy-train-log", HEADER + epochs([9.0] * 3), "has 3 epochs, and the first 3 settle"),
        ("deepgalaxy-train-log", HEADER + epochs([9.0] * 5, workers=8), "is not that of one number of workers"),
        ("deepgalaxy-train-log", HEADER + epochs([9.0] * 6).split("\n", 1)[1], "epoch 1"),
        ("deepgalaxy-train-log", "Parallel training disabled.\nBatch_size = 4\n", "without Horovod"),
    ],
)
def test_what_is_no_whole_log_is_refused_in_one_line(program, log, told):
    with pytest.raises(InputError) as error:
        read_log(program, log, "log")
    assert told in str(error.value)
    assert str(error.value).startswith("log") and "\n" not in str(error.value)


@given(
    program=st.sampled_from(list(PROGRAMS)),
    log=st.sampled_from([HOROVOD, TF_CNN.format(everyone=64) + TOTAL.format("11.30"), TRAIN_LOG]),
    start=st.integers(0, 400),
    length=st.integers(0, 900),
    noise=st.text(max_size=20),
)
def test_any_piece_of_a_log_is_read_or_refused(program, log, start, length, noise):
    try:
        runs = read_log(program, log[start : start + length] + noise, "log")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert runs and all(run.throughput_images_per_s > 0 for run in runs)
