"""Write `deepgalaxy/networks/costs.json`: what the harness, which loads no TensorFlow, knows of each backbone.

example: python tools/network_costs.py            # all backbones that the file lacks, 10 to 60 s each
         python tools/network_costs.py ResNet50   # these, again
"""

from __future__ import annotations

import json
import subprocess
import sys

from deepgalaxy.networks.catalogue import BACKBONES
from deepgalaxy.networks.costs import FILE


def main(names: list[str]) -> None:
    """One process a backbone: a traced network is memory that stays."""
    rows = json.loads(FILE.read_text()) if FILE.exists() else {}
    for name in names or [name for name in BACKBONES if name not in rows]:
        command = [sys.executable, "-m", "deepgalaxy.cli", "info", name, "--memory", "--json"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            continue
        rows[name] = {k: v for k, v in json.loads(done.stdout).items() if k not in ("model", "resolution")}
        lines = (f"{json.dumps(key)}: {json.dumps(rows[key])}" for key in BACKBONES if key in rows)
        FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(name, rows[name], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
