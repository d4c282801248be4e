"""The laws of allreduces against a discrete-event simulation, message by message, where SimGrid is installed.

Debian's package python3-simgrid belongs to Debian's own Python, so it runs in a process of that.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.projection import allreduce
from bench.projection.allreduce import Fabric

SCRIPT = Path(__file__).with_name("simulated_allreduce.py")
LATENCY_S, BYTES_PER_S = 1e-4, 1.25e8


def python_with_simgrid():
    """The first Python that imports SimGrid, or None."""
    for python in ("/usr/bin/python3", shutil.which("python3")):
        if python and shutil.which(python):
            found = subprocess.run([python, "-c", "import simgrid"], capture_output=True, check=False)
            if found.returncode == 0:
                return python
    return None


PYTHON = python_with_simgrid()
NETWORK = Fabric(
    latency_s=LATENCY_S,
    node_bandwidth=BYTES_PER_S,
    local_latency_s=0.0,
    local_bandwidth=1e30,
    reduction_bandwidth=1e30,  # the simulation adds nothing up
    staging_bandwidth=0.0,
    host=True,
)


@pytest.mark.skipif(PYTHON is None, reason="SimGrid is not installed (Debian: python3-simgrid)")
@pytest.mark.parametrize("nodes", [2, 4, 16, 32])
@pytest.mark.parametrize("size", [4.0, 1e6, 1e8])
def test_every_algorithm_takes_as_long_as_its_messages(nodes, size):
    arguments = map(str, (nodes, size, LATENCY_S, BYTES_PER_S))
    done = subprocess.run([PYTHON, SCRIPT, *arguments], capture_output=True, text=True, check=True, timeout=120)
    simulated = json.loads(done.stdout)
    assert set(simulated) == {"ring", "halving_doubling", "recursive_doubling"}
    for name, seconds in simulated.items():
        assert getattr(allreduce, name)(size, nodes, 1, NETWORK) == pytest.approx(seconds, rel=0.02), name
