"""The rules of the house: who may import whom, and what the launching process never loads."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from bench import REPOSITORY

HEAVY = {"tensorflow", "keras", "horovod", "mpi4py", "intel_extension_for_tensorflow"}
PLAIN_DATA_HELPERS = {
    "deepgalaxy",
    "deepgalaxy.console",
    "deepgalaxy.data.layout",
    "deepgalaxy.environment",
    "deepgalaxy.errors",
    "deepgalaxy.files",
    "deepgalaxy.networks.catalogue",
    "deepgalaxy.networks.costs",
    "deepgalaxy.placement",
    "deepgalaxy.probe",
    "deepgalaxy.profile",
    "deepgalaxy.record",
    "deepgalaxy.runtime",
    "deepgalaxy.spec",
    "deepgalaxy.turns",
    "deepgalaxy.words",
}


def modules(package):
    return sorted((REPOSITORY / package).rglob("*.py"))


def imports(path) -> set[str]:
    """Every module that a file imports anywhere, functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def roots(path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", modules("bench"), ids=lambda p: p.stem)
def test_the_harness_takes_only_plain_data_from_the_workload(path):
    assert not roots(path) & HEAVY
    assert {name for name in imports(path) if name.startswith("deepgalaxy")} <= PLAIN_DATA_HELPERS


@pytest.mark.parametrize("path", modules("deepgalaxy"), ids=lambda p: p.stem)
def test_the_workload_does_not_know_the_harness(path):
    assert "bench" not in roots(path)


def test_one_module_imports_horovod():
    users = [p.relative_to(REPOSITORY).as_posix() for p in modules("deepgalaxy") if "horovod" in roots(p)]
    assert users == ["deepgalaxy/training/distributed.py"]


def test_the_contract_is_light():
    for name in ("spec.py", "record.py"):
        assert not roots(REPOSITORY / "deepgalaxy" / name) & (HEAVY | {"pandas", "numpy", "h5py"})


@pytest.mark.parametrize("path", modules("bench/analysis") + modules("bench/projection"), ids=lambda p: p.stem)
def test_analysis_does_no_input_or_output(path):
    assert not roots(path) & {"os", "pathlib", "subprocess", "io", "h5py"}
    assert "open(" not in path.read_text()


@pytest.mark.parametrize(
    "run",
    [
        "from bench.cli import main; main(['list']); import bench.execute",
        "import pytest; pytest.main(['bench', '--workers', '100000', '-q'])",
    ],
    ids=["dgbench", "pytest bench/"],
)
def test_the_launching_process_never_loads_a_framework(run):
    code = f"import sys\n{run}\nprint(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
