"""Write `deepgalaxy/networks/costs.json`: what the harness, which loads no TensorFlow, knows of each backbone.

example: python tools/network_costs.py            # all backbones that the file lacks, 5 to 60 s each
         python tools/network_costs.py ResNet50   # these, again
"""

from __future__ import annotations

import json
import subprocess
import sys

from deepgalaxy.files import replacing
from deepgalaxy.networks.catalogue import BACKBONES
from deepgalaxy.networks.costs import FILE


def main(names: list[str]) -> int:
    """One process a backbone: a traced network is memory that stays. Exit code 1 where one failed."""
    failed = 0
    for name in names or [name for name in BACKBONES if name not in stored()]:
        try:
            found = costs_of(name)
        except subprocess.CalledProcessError as error:
            print(f"{name}: {error.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            failed = 1
        else:
            store(stored() | {name: found})
            print(name, found, flush=True)
    return failed


def costs_of(name: str) -> dict[str, float]:
    """What `deepgalaxy info` says of a backbone's memory."""
    command = [sys.executable, "-m", "deepgalaxy.cli", "info", name, "--memory", "--json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return {key: value for key, value in json.loads(done.stdout).items() if key not in ("model", "resolution")}


def stored() -> dict[str, dict[str, float]]:
    """What the file holds so far."""
    return dict(json.loads(FILE.read_text())) if FILE.exists() else {}


def store(rows: dict[str, dict[str, float]]) -> None:
    """A line a backbone, in the catalogue's order."""
    lines = (f"{json.dumps(name)}: {json.dumps(rows[name])}" for name in BACKBONES if name in rows)
    with replacing(FILE) as partial:
        partial.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
