import json

import pytest

from deepgalaxy.environment import surroundings


def test_it_tells_this_machine_and_its_software():
    found = surroundings()
    assert json.loads(json.dumps(found)) == found
    assert found["cores"] >= 1 and found["memory_bytes"] > 2**28
    assert found["tensorflow"].startswith("2.")
    assert len(found["lock_sha256"]) == 12


@pytest.fixture
def machine(tmp_path):
    """Files as a kernel shows them."""
    files = {
        "proc/cpuinfo": "model name\t: Big Core\ncpu MHz\t\t: 2600.0\nflags\t\t: fpu avx2 amx_bf16 sse\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
        "sys/devices/system/cpu/cpu0/cache/index0/type": "Data\n",
        "sys/devices/system/cpu/cpu0/cache/index0/level": "1\n",
        "sys/devices/system/cpu/cpu0/cache/index0/size": "48K\n",
        "sys/devices/system/cpu/cpu0/cache/index1/type": "Instruction\n",
        "sys/devices/system/cpu/cpu0/cache/index1/level": "1\n",
        "sys/devices/system/cpu/cpu0/cache/index1/size": "32K\n",
        "sys/devices/system/node/node0/cpulist": "0\n",
        "sys/devices/system/node/node1/cpulist": "1\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_it_reads_what_the_kernel_shows(machine):
    found = surroundings(machine)
    assert found["cpu"] == "Big Core"
    assert found["instructions"] == "avx2 amx_bf16"
    assert found["caches"] == {"L1": 48 * 1024}
    assert (found["numa_nodes"], found["governor"], found["frequency_mhz"]) == (2, "performance", "2600.0")


def test_what_can_not_be_found_out_is_left_out(tmp_path):
    found = surroundings(tmp_path)
    assert not {"cpu", "governor", "caches", "numa_nodes"} & set(found)
