"""One point by the harness: `python driver.py SPEC SITE HOSTFILE FOLDER RECORD LIMITS`, on the lab's login host."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from bench.campaign.site import load_site
from bench.launch.allocation import find
from bench.launch.run import Limits, run_point
from deepgalaxy.spec import RunSpec, read_json, to_json


def main(spec_file: str, site_file: str, hostfile: str, folder: str, record: str, limits: str) -> None:
    spec, site = read_json(Path(spec_file), RunSpec), load_site(site_file)
    hosts = find({}, Path(hostfile)).hosts[: site.nodes_for(spec)]
    done = run_point(spec, site, 1, Path(folder), limits=Limits(**json.loads(limits)), hosts=hosts)
    Path(record).write_bytes(to_json(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
