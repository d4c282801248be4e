import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.launch.run import GUARD

# A command that leaves a child in a session of its own, deaf to SIGTERM: the hardest to find and to end.
ESCAPEE = "import signal, time, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
COMMAND = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {ESCAPEE!r}], start_new_session=True)
print(child.pid, flush=True)
time.sleep(float(sys.argv[1]))
sys.exit(7)
"""


def start(*command: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-I", str(GUARD), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_the_exit_code_is_the_commands_and_nothing_of_it_stays():
    guard = start(sys.executable, "-c", COMMAND, "0")
    child = int(guard.stdout.readline())
    assert guard.wait(20) == 7
    assert gone(child, 1)


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_everything_ends_when_the_harness_closes_or_dies(how):
    if how == "closed":
        guard = start(sys.executable, "-c", COMMAND, "600")
        child = int(guard.stdout.readline())
        guard.stdin.close()
    else:  # a parent that holds the guard's input and is killed
        parent_code = (
            "import subprocess, sys, time\n"
            f"p = subprocess.Popen([sys.executable, '-I', {str(GUARD)!r}, sys.executable, '-c', {COMMAND!r}, '600'],"
            " stdin=subprocess.PIPE, start_new_session=True)\n"
            "time.sleep(600)"
        )
        parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE)
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert gone(child, 15)


def test_a_command_that_is_not_there_is_told():
    done = subprocess.run(
        [sys.executable, "-I", str(GUARD), "no-such-launcher"],
        capture_output=True,
        text=True,
        stdin=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 127
    assert done.stderr == "no-such-launcher: No such file or directory\n"


def test_a_signal_that_ended_the_command_shows_in_the_code():
    guard = start(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert guard.wait(20) == 128 + signal.SIGKILL


def test_the_guard_needs_nothing_but_the_standard_library():
    modules = {
        line.split()[1].split(".")[0]
        for line in Path(GUARD).read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert modules <= set(sys.stdlib_module_names)
