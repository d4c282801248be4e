import re

import msgspec
import pytest

from bench.campaign.campaign import make_spec as make_point
from bench.campaign.data import DataRequest
from bench.campaign.site import Launcher, Site, load_site
from deepgalaxy.errors import InputError

SITE = Site(
    name="box", nodes=1, cores_per_node=8, workers_per_node=4, cores_per_worker=2, memory_per_node_bytes=16 * 2**30
)


def test_the_local_site_detects_itself():
    site = load_site("local")
    assert site.slots >= 1
    assert site.workers_per_node * site.cores_per_worker <= site.cores_per_node
    assert site.memory_per_node_bytes > 2**30


def test_what_fits_is_measured_and_the_rest_is_told_why_not(make_spec):
    assert SITE.why_not(make_spec(workers=4, cores_per_worker=2)) == ""
    told = SITE.why_not(make_spec(workers=128, cores_per_worker=2))
    assert told == "128 workers need 32 nodes of 4 workers; box has 4 slots (1 x 8 cores, 2 a worker)"


def test_oversubscribing_is_bounded_by_memory(make_spec):
    assert SITE.why_not(make_spec(workers=8, oversubscribe=True)) == ""
    assert "128 workers on a node need 75 GiB" in SITE.why_not(make_spec(workers=128, oversubscribe=True))
    assert SITE.why_not(make_spec(workers=8)) != ""


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('name = "x"\nlauncher = "mpirunn"', "Invalid enum value 'mpirunn'"),
        ('name = "x"\nworkers = 3', "unknown field 'workers'; near names: workers_per_node"),
        ("name = 3", "Expected `str`"),
        ("name = ", "Invalid value"),
        ('name = "x"\nnodes = 0', "nodes 0 is too small"),
        ('name = "x"\ncores_per_node = 4\nworkers_per_node = 4\ncores_per_worker = 2', "do not fit the node's 4 cores"),
    ],
)
def test_a_wrong_site_file_is_refused_by_file_and_field(tmp_path, content, told):
    path = tmp_path / "site.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=told) as caught:
        load_site(str(path))
    assert "site.toml" in str(caught.value)


def test_an_unknown_site_gets_near_names():
    with pytest.raises(InputError, match="unknown site 'lokal'; near names: local"):
        load_site("lokal")
    with pytest.raises(InputError, match=r"site file none.toml does not exist"):
        load_site("none.toml")


def test_a_site_is_frozen():
    with pytest.raises(AttributeError):
        SITE.nodes = 2
    assert msgspec.structs.replace(SITE, nodes=2).slots == 8


def test_workers_of_more_cores_leave_room_for_fewer(make_spec):
    assert SITE.with_cores_per_worker(8).slots == 1
    assert SITE.with_cores_per_worker(1).slots == 4
    told = SITE.why_not(make_spec(workers=2, cores_per_worker=8))
    assert told == "2 workers need 2 nodes of 1 workers; box has 1 slot (1 x 8 cores, 8 a worker)"
    with pytest.raises(InputError, match="cores per worker 9 is outside 1 to 8, the node's cores"):
        SITE.with_cores_per_worker(9)


def test_processes_without_a_launcher_predict_but_do_not_train_together(make_spec):
    site = msgspec.structs.replace(SITE, launcher=Launcher.LOCAL)
    assert site.why_not(make_spec(workers=1, cores_per_worker=2)) == ""
    assert "exchange nothing" in site.why_not(make_spec(workers=2, cores_per_worker=2))
    fields = {"backbone": "Small", "resolution": 32, "batch_size": 1, "workers": 2}
    assert not make_point(site, DataRequest(file="x"), mode="infer", **fields).exchange
    assert make_point(SITE, DataRequest(file="x"), mode="infer", **fields).exchange


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('environment = { "A B" = "1" }', "environment 'A B' is no name of a variable"),
        ('scheduler_options = { "--account" = "x" }', "write account, not --account"),
        ('scheduler_options = { time = "1" }', "scheduler_options time: it follows from the campaign"),
        ('modules = ["a\\nb"]', "holds characters that no line of a batch script can hold"),
        ("minutes_per_point = 0", "minutes_per_point 0.0 is not above 0"),
        ("nodes = 2", "other nodes can't be detected"),
        ('launcher = "mpirn"', "Invalid enum value 'mpirn'"),
    ],
)
def test_what_a_batch_script_can_not_hold_is_told(tmp_path, more, told):
    path = tmp_path / "site.toml"
    path.write_text(f'name = "x"\n{more}\n')
    with pytest.raises(InputError, match=re.escape(told)):
        load_site(str(path))
