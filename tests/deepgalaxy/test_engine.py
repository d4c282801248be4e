"""Where a rank computes; which kernels it loads is tested in ranks of their own (tests/bench/launch)."""

import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from bench import REPOSITORY
from deepgalaxy.engine import peak_device_bytes, place, require_precision
from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.words import Device, Engine, Precision


@pytest.fixture
def framework():
    """What `place` asks of TensorFlow, on a node with two GPUs of either make."""

    def made(count=2):
        config = Mock()
        config.list_physical_devices = lambda kind: [f"{kind}:{i}" for i in range(count)]
        config.experimental.get_memory_info = {"GPU:0": {"peak": 7}, "XPU:0": {"peak": 9}}.__getitem__
        return SimpleNamespace(config=config)

    return made


@pytest.mark.parametrize(("engine", "kind"), [(Engine.TENSORFLOW, "GPU"), (Engine.ITEX, "XPU")])
def test_a_rank_takes_the_gpu_of_its_number_and_memory_as_it_needs(framework, engine, kind):
    tf = framework()
    place(tf, Device.GPU, engine, local_rank=1)
    tf.config.set_visible_devices.assert_called_once_with(f"{kind}:1", kind)
    tf.config.experimental.set_memory_growth.assert_called_once_with(f"{kind}:1", True)
    assert peak_device_bytes(tf, Device.GPU, engine) == {"GPU": 7, "XPU": 9}[kind]


def test_a_rank_without_a_gpu_of_its_own_is_told(framework):
    with pytest.raises(InputError, match=r"rank 2 of this node has none: TensorFlow sees 2 GPUs"):
        place(framework(), Device.GPU, Engine.TENSORFLOW, local_rank=2)


def test_on_cpus_no_gpu_is_touched(framework):
    tf = framework()
    place(tf, Device.CPU, Engine.TENSORFLOW, local_rank=0)
    tf.config.set_visible_devices.assert_called_once_with([], "GPU")
    assert peak_device_bytes(tf, Device.CPU, Engine.TENSORFLOW) == 0


@pytest.mark.parametrize(
    ("precision", "ran", "good"),
    [
        (Precision.FP32, {"float32": 9}, True),
        (Precision.FP32, {"float32": 5, "bfloat16": 5}, False),
        (Precision.BF16, {"float32": 1, "bfloat16": 80}, True),
        (Precision.BF16, {"float32": 9}, False),
        (Precision.BF16_AMP, {"float32": 2, "bfloat16": 80}, True),
        (Precision.FP32, {}, False),
    ],
)
def test_nearly_all_products_must_run_in_what_was_asked_for(precision, ran, good):
    if good:
        require_precision(precision, ran)
        return
    with pytest.raises(BadResultError, match=f"precision {precision.value} was asked for"):
        require_precision(precision, ran)


def test_ranks_do_not_load_what_only_exports_need():
    code = (
        "import importlib.util, sys\n"
        "from deepgalaxy.engine import load_tensorflow\n"
        "from deepgalaxy.words import Engine, Precision\n"
        "load_tensorflow(Engine.TENSORFLOW, Precision.FP32, 1).keras.Sequential()\n"
        "assert importlib.util.find_spec('pyarrow') and importlib.util.find_spec('pandas')\n"
        "print(sorted(name for name in sys.modules if name.startswith(('pyarrow', 'pandas'))))\n"
        "import pandas\n"  # later, whoever wants to may
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
