"""The lab itself: hosts that reach each other over links of a rate and a delay, and nothing that stays."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import pytest

from bench import REPOSITORY
from bench.cli import main
from bench.lab import namespaces
from bench.lab.delaying import PROGRAM
from bench.lab.links import Link
from bench.lab.namespaces import NAMED, identity, ip
from bench.lab.network import Lab
from bench.lab.scripts import address
from deepgalaxy.errors import InputError

ECHO = """
import socket, sys
size = int(sys.argv[1])
server = socket.create_server(("0.0.0.0", 5000))
print("ready", flush=True)
peer, _ = server.accept()
got = 0
while data := peer.recv(65536):
    got += len(data)
    if got % size == 0:
        peer.sendall(b".")
"""
ASK = """
import socket, sys, time
peer = socket.create_connection((sys.argv[1], 5000))
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
size, rounds, times = int(sys.argv[2]), int(sys.argv[3]), []
for _ in range(rounds):
    began = time.perf_counter()
    peer.sendall(bytes(size))
    peer.recv(1)
    times.append(time.perf_counter() - began)
print(min(times))
"""


def fastest_round_trip_s(lab, size=1, rounds=20) -> float:
    """Seconds to send so many bytes from h1 to h2 and get an answer."""
    with subprocess.Popen(lab.command("h2", sys.executable, "-c", ECHO, str(size)), stdout=subprocess.PIPE) as echo:
        assert echo.stdout.readline() == b"ready\n"
        asked = lab.command("h1", sys.executable, "-c", ASK, "h2", str(size), str(rounds))
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
        echo.kill()
    return float(done.stdout)


def ours() -> set[str]:
    """Namespaces that some lab has made."""
    return {path.name for path in NAMED.glob("dg*-*")} if NAMED.exists() else set()


def processes_of(lab) -> list[int]:
    state = lab.state
    return namespaces.processes(set(state.inodes.values()))


def test_each_host_has_its_name_its_address_and_finds_the_others(lab):
    for host in ("h0", *lab.hosts):
        said = subprocess.run(lab.command(host, "hostname"), capture_output=True, text=True, check=True).stdout
        assert said == f"{host}\n"
    assert fastest_round_trip_s(lab) > 0
    looked_up = subprocess.run(lab.command("h3", "getent", "hosts", "h4"), capture_output=True, text=True, check=True)
    assert looked_up.stdout.split() == [address("h4"), "h4"]


def test_a_link_keeps_to_its_rate(lab):
    lab.shape(Link(rate="10mbit"))
    size = 1_000_000  # far more than the bucket and the queue's room
    assert fastest_round_trip_s(lab, size, rounds=2) > 0.9 * 8 * size / 10e6 - 0.05


def test_one_host_can_have_a_link_of_its_own(lab):
    lab.shape(Link(rate="1gbit"), {"h2": Link(rate="10mbit")})
    assert fastest_round_trip_s(lab, 1_000_000, rounds=1) > 0.9 * 0.8 - 0.1


def test_a_delay_is_kept_both_ways(lab):
    without = fastest_round_trip_s(lab)
    try:
        lab.shape(Link(rate="100mbit", delay="20ms"))
    except InputError as error:
        pytest.skip(str(error))
    assert lab.delayed
    assert fastest_round_trip_s(lab) > 2 * 20e-3 * 0.98
    lab.shape(Link(rate="100mbit"))
    assert without < 20e-3  # so what was seen was the delay


def test_nothing_stays_and_nobody_elses_is_touched(lab):
    foreign = f"{lab.state.prefix}x"
    ip("netns", "add", foreign)
    try:
        with subprocess.Popen(lab.command("h1", "sleep", "300")) as sleeper:
            while not processes_of(lab):
                time.sleep(0.01)
            names = set(lab.state.inodes)
            lab.down()
            assert sleeper.wait(10) != 0
        assert names and not {name for name in names if identity(name)}
        assert lab.state is None
        assert identity(foreign)
        lab.down()  # once more is no error
    finally:
        ip("netns", "del", foreign)


def test_a_namespace_that_took_the_name_of_ours_is_left_alone(lab):
    name = lab.namespace("h4")
    ip("netns", "del", name)
    ip("netns", "add", f"{name}y")  # so that the next can't get the number that has just become free
    ip("netns", "add", name)
    try:
        lab.down()
        assert identity(name)
    finally:
        ip("netns", "del", name)
        ip("netns", "del", f"{name}y")


@pytest.mark.parametrize("after_s", [0.05, 0.3, 0.6, 1.0, 3.0])
def test_what_a_killed_process_left_the_next_one_removes(tmp_path, after_s):
    before = ours()
    folder = tmp_path / "lab"
    options = ["--hosts", "6", "--rate", "100mbit", "--delay", "1ms", "--lab", str(folder)]
    command = [sys.executable, "-m", "bench.cli", "lab", "up", *options]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        time.sleep(after_s)
        process.kill()
    lab = Lab(folder)
    lab.up(2, Link(rate="100mbit"))
    assert fastest_round_trip_s(lab) > 0
    lab.down()
    assert ours() == before
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(PROGRAM) in (p.info["cmdline"] or [])]


def test_commands_tell_what_there_is(tmp_path, capsys):
    where = ["--lab", str(tmp_path / "lab")]
    assert main(["lab", "status", *where]) == 0
    assert "no lab is up" in capsys.readouterr().out
    assert main(["lab", "up", "--hosts", "2", "--rate", "50mbit", *where]) == 0
    try:
        assert "site file" in capsys.readouterr().out
        assert main(["lab", "status", "--json", *where]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["hosts"] == 2 and told["processes"] == {"h0": 0, "h1": 0, "h2": 0} and told["delayed"]
        assert main(["lab", "exec", *where, "h1", "true"]) == 0
        assert main(["lab", "exec", *where, "h1", "false"]) == 1
        assert main(["lab", "exec", *where, "h7", "true"]) == 2
        assert "host h7 is none of h0 to h2" in capsys.readouterr().err
    finally:
        assert main(["lab", "down", *where]) == 0
    assert main(["lab", "down", *where]) == 0


def test_a_lab_that_is_held_is_not_taken(lab):
    with lab.held(), pytest.raises(InputError, match="is in use; --lab names another folder"), Lab(lab.folder).held():
        pass


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--hosts", "0"], "hosts 0 is outside 1 to 64"),
        (["--rate", "fast"], "rate 'fast' is not of the form"),
        (["--delay", "1"], "delay '1' is not of the form"),
        (["--own-link", "h9=1mbit", "--hosts", "2"], "h9 is no host of this lab"),
        (["--slow-host", "h1=0.5", "--hosts", "2"], "--slow-host '0.5': a number of 1 to 100"),
        (["--own-link", "h1"], "--own-link 'h1' is not of the form"),
        (["--rate", "1gbit,2gbit"], "a lab that stays up has one of each"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, capsys, options, told):
    assert main(["lab", "up", *options, "--lab", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}
