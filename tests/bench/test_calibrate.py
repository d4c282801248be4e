"""What a calibration launches; what it makes of it is in `analysis/test_calibration.py`."""

import msgspec
import pytest

from bench import calibrate
from bench.campaign.site import load_site
from bench.launch.allocation import Allocation
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.runtime import Settings

WANTED = calibrate.Wanted(backbone="Small", resolution=32, batch_size=2, steps=4, rounds=3, launches=2)


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """What is asked of the machine by a calibration on a site, as specs and the site that starts them."""

    def of(**fields):
        asked = []

        def measure(planned, site, *_):
            asked.append((planned, site))
            return []

        monkeypatch.setattr(calibrate, "measure", measure)
        site = msgspec.structs.replace(load_site("local"), workers_per_node=2, cores_per_worker=1, **fields)
        with pytest.raises(InputError, match="another harness is at work"):
            calibrate.calibrate(site, Results(tmp_path), WANTED, Allocation())
        return asked[0]

    return of


def test_on_one_node_two_workers_also_run_without_exchange(launched):
    planned, _ = launched(nodes=1, cores_per_node=2)
    assert [(spec.workers, spec.exchange, spec.allreduce_rounds) for spec in planned] == [
        *((1, True, 3), (2, True, 3), (2, False, 0)) * 2
    ]


def test_on_several_nodes_each_worker_has_one(launched):
    planned, site = launched(nodes=2, cores_per_node=2)
    assert [(spec.workers, spec.workers_per_node) for spec in planned] == [(1, 1), (2, 1)] * 2
    assert site.workers_per_node == 1


def test_what_serves_ranks_that_share_a_node_is_left_out(launched):
    _, site = launched(nodes=1, cores_per_node=2, runtime=Settings(niceness=19, lone_kb=256))
    assert site.runtime == Settings()
