"""How much faster a network tells a merger's stage than a simulation of it would (paper, section III.D).

One merger is simulated, anew, at each particle number with all cores of the machine, and images of it are
given to the network one at a time, on the same cores. The ratio of the two times is the speed-up. Compiling
and loading count for neither.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bench import REPOSITORY
from bench.analysis.scaling import scaling_table
from bench.campaign.campaign import WHOLE_NODE, make_spec
from bench.campaign.data import DataRequest
from bench.campaign.site import Site
from bench.execute import measure
from bench.report.tables import as_markdown, write_pair
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome, Provenance

MERGER = "s_1_m_1"

SMALLEST_RESOLUTION = 64

PUBLISHED = {
    "particles": "not stated",
    "precision": "fp32",
    "engine": "tensorflow",
    "simulation_s": "1-2 days",
    "inference_s_per_image": "about 2",
    "speed_up": "10^4 - 10^5",
    "provenance": Provenance.PUBLISHED.value,
    "source": "Cai et al. 2020, section III.D",
}


def measure_speed_up(
    site: Site, results: Results, particles: Sequence[int], ways: Sequence[tuple[str, str]], **network: Any
) -> pd.DataFrame:
    """One row per particle number and (engine, precision), and the published one.

    network: backbone, resolution, model (or "")

    Raises
    ------
    InputError: a simulation that failed
    """
    resolution = network["resolution"]
    # Images are wanted of one simulation alone; of the others the smallest that can be had.
    pictured = min(particles)
    simulated = {
        n: _simulated(results.folder, n, resolution if n == pictured else SMALLEST_RESOLUTION) for n in particles
    }
    data = DataRequest(file=str(_folder(results.folder, pictured) / f"mergers_{resolution}.hdf5"))
    specs = [
        make_spec(
            site,
            data,
            mode="infer",
            workers=1,
            batch_size=1,
            steps=50,
            warmup_steps=3,
            cores_per_worker=WHOLE_NODE,
            engine=engine,
            precision=precision,
            **network,
        )
        for engine, precision in ways
    ]
    records = measure(specs, site, results, data)
    rows = [_row(n, simulation_s, record) for n, simulation_s in simulated.items() for record in records]
    return pd.DataFrame([*rows, PUBLISHED])


def write(table: pd.DataFrame, folder: Path) -> list[Path]:
    """`speed_up.csv` and `speed_up.md`."""
    return write_pair(table, folder / "speed_up", readable(table) + "\n")


def readable(table: pd.DataFrame) -> str:
    """A Markdown table for people; intervals beside the values they belong to."""
    rows = []
    for row in table.to_dict("records"):
        measured = row["provenance"] == Provenance.MEASURED.value and row["outcome"] == Outcome.OK.value
        interval = f" [{row['speed_up_low']:,.0f}, {row['speed_up_high']:,.0f}]" if measured else ""
        rows.append(
            {
                "particles": f"{row['particles']:,}" if measured else row["particles"],
                "precision": row["precision"],
                "engine": row["engine"],
                "simulation [s]": f"{row['simulation_s']:.1f}" if measured else row["simulation_s"],
                "inference [s/image]": _text(row["inference_s_per_image"], ".4f"),
                "simulation / inference": _text(row["speed_up"], ",.0f") + interval,
                "provenance": row["provenance"] + (f" ({row['source']})" if not measured else ""),
            }
        )
    return as_markdown(pd.DataFrame(rows))


def _row(particles: int, simulation_s: float, record: RunRecord) -> dict[str, Any]:
    spec = record.spec
    row: dict[str, Any] = {
        "particles": particles,
        "backbone": spec.backbone,
        "resolution": spec.resolution,
        "precision": spec.precision.value,
        "engine": spec.engine.value,
        "simulation_s": simulation_s,
        "inference_s_per_image": float("nan"),
        "speed_up": float("nan"),
        "provenance": record.provenance.value,
        "outcome": record.outcome.value,
        "source": record.reason,
    }
    if record.outcome is not Outcome.OK:
        return row
    point = scaling_table([record], 1).iloc[0]
    return row | {
        "inference_s_per_image": 1 / point["throughput_images_per_s"],
        "speed_up": simulation_s * point["throughput_images_per_s"],
        "speed_up_low": simulation_s * point["throughput_low"],  # of the inference; the simulation runs once
        "speed_up_high": simulation_s * point["throughput_high"],
    }


def _simulated(folder: Path, particles: int, resolution: int) -> float:
    """Seconds that a simulation on all cores takes; its images stay for the inference."""
    out = _folder(folder, particles)
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "deepgalaxy.cli", "simulate", "--out", str(out), "--mergers", MERGER, "--json"]
    command += ["--particles", str(particles), "--resolution", str(resolution), "--workers", "1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=REPOSITORY, check=False)
    if done.returncode:
        raise InputError(f"simulating {particles} particles failed with exit code {done.returncode}; see above")
    (task,) = json.loads(done.stdout)["tasks"]
    return float(task["simulation_s"])


def _folder(folder: Path, particles: int) -> Path:
    return folder / "simulations" / str(particles)


def _text(value: object, form: str) -> str:
    if not isinstance(value, float):
        return str(value)
    return format(value, form) if value == value else "-"
