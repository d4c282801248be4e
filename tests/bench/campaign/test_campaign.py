from pathlib import Path

import pytest

from bench import REPOSITORY
from bench.campaign.campaign import expand, load_campaign
from bench.campaign.data import DataRequest, data_file, provide
from bench.campaign.site import Site
from deepgalaxy.errors import InputError
from deepgalaxy.words import Mode, Provenance

SITE = Site(
    name="box", nodes=1, cores_per_node=8, workers_per_node=4, cores_per_worker=2, memory_per_node_bytes=16 * 2**30
)
TEXT = """
name = "test"
question = "Why?"
baseline_workers = 1
data = {}
[settings]
steps = 5
[[points]]
mode = "train"
backbone = ["EfficientNetB0", "ResNet50"]
resolution = [64, 128]
batch_size = 8
workers = [1, 2, 16]
[[points]]
mode = "train"
backbone = "ResNet50"
resolution = 128
batch_size = 8
workers = 2
"""


def load(tmp_path, text):
    path = tmp_path / "test.toml"
    path.write_text(text)
    return load_campaign(str(path))


def test_lists_are_swept_and_no_point_comes_twice(tmp_path):
    specs = expand(load(tmp_path, TEXT), SITE)
    assert len(specs) == 2 * 2 * 3
    assert [s.workers for s in specs[:3]] == [1, 2, 16]
    assert {s.steps for s in specs} == {5}
    assert {(s.workers, s.workers_per_node) for s in specs} == {(1, 1), (2, 2), (16, 4)}
    assert {s.cores_per_worker for s in specs} == {2}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("steps = 5", "stepps = 5", "unknown field 'stepps'; near names: steps"),
        ('"ResNet50"]', '"ResNet5O"]', "unknown backbone 'ResNet5O'; near names: ResNet50"),
        ("batch_size = 8", 'batch_size = "8"', "Expected `int`"),
        ("workers = [1, 2, 16]", "workers = 0", "workers 0 is too small"),
        ("[64, 128]", "16", "resolution 16 is too small"),
        ('mode = "train"', "", "missing required field `mode`"),
    ],
)
def test_a_wrong_campaign_is_refused_in_one_line(tmp_path, old, new, told):
    with pytest.raises(InputError, match=told) as caught:
        expand(load(tmp_path, TEXT.replace(old, new, 1)), SITE)
    assert "\n" not in str(caught.value)


def test_a_value_of_the_wrong_type_is_named_with_its_campaign(tmp_path):
    with pytest.raises(InputError, match="campaign test: steps 'many': Expected `int`, got `str`"):
        expand(load(tmp_path, TEXT.replace("steps = 5", 'steps = "many"')), SITE)


def test_a_range_of_counts_a_zip_and_an_exclude(tmp_path):
    text = TEXT.replace("workers = [1, 2, 16]", 'workers = "1:4"\nzip = [["backbone", "resolution"]]')
    specs = expand(
        load(tmp_path, text.replace("[settings]", "[settings]\nexclude = [{ workers = 2, resolution = 64 }]")), SITE
    )
    assert {(s.backbone, s.resolution, s.workers) for s in specs} == {
        *(("EfficientNetB0", 64, n) for n in (1, 4)),
        *(("ResNet50", 128, n) for n in (1, 2, 4)),
    }


def test_strong_scaling_shares_the_global_batch(tmp_path):
    strong = TEXT.replace("data = {}", 'data = {}\nscaling = "strong"')
    with pytest.raises(InputError, match="batch_size with strong scaling, which takes global_batch_size"):
        load(tmp_path, strong)
    strong = strong.replace("batch_size = 8", "global_batch_size = 32")
    specs = expand(load(tmp_path, strong), SITE)
    assert {(s.workers, s.batch_size) for s in specs} == {(1, 32), (2, 16), (16, 2)}
    with pytest.raises(InputError, match="global_batch_size 32 can't be shared evenly by 3 workers"):
        expand(load(tmp_path, strong.replace("workers = 2", "workers = 3")), SITE)
    with pytest.raises(InputError, match="global_batch_size with weak scaling, which takes batch_size"):
        load(tmp_path, strong.replace('"strong"', '"weak"'))


def test_workers_of_all_cores_of_a_node(tmp_path):
    text = TEXT.replace("steps = 5", 'steps = 5\ncores_per_worker = "node"')
    specs = expand(load(tmp_path, text), SITE)
    assert {(s.cores_per_worker, s.workers_per_node) for s in specs} == {(8, 1)}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "jobs" / "campaigns").glob("*.toml")), ids=lambda p: p.stem)
def test_the_campaigns_that_ship_are_whole_and_say_what_they_answer(path):
    campaign = load_campaign(path.stem)
    assert campaign.name == path.stem
    assert expand(campaign, SITE)
    opening = path.read_text().partition("name =")[0]
    assert "?" in opening
    assert f"dgbench run {path.stem}" in opening or f"dgbench lab run {path.stem}" in opening
    assert "Expect" in opening


def test_quick_covers_what_the_main_job_promises():
    specs = expand(load_campaign("quick"), SITE)
    training = {(s.backbone, s.resolution, s.workers) for s in specs if s.mode is Mode.TRAIN}
    assert len(training) == 2 * 2 * 2
    assert {s.precision.value for s in specs if s.mode is Mode.INFER} == {"fp32", "bf16"}


def test_data_are_found_again_by_what_was_simulated():
    a, b = DataRequest(), DataRequest(particles=5000)
    assert data_file(a, 64) == data_file(DataRequest(), 64)
    assert data_file(a, 64).parent != data_file(b, 64).parent
    assert data_file(DataRequest(file="mine.hdf5"), 64).name == "mine.hdf5"


def test_a_users_file_of_another_resolution_is_refused(data_file, make_spec):
    provide(DataRequest(file=str(data_file)), [make_spec()])
    with pytest.raises(InputError, match="holds images of 32 pixels, not 64"):
        provide(DataRequest(file=str(data_file)), [make_spec(resolution=64)])


EMULATED = """
name = "test"
question = "Why?"
baseline_workers = 1
[settings]
mode = "train"
profile = "EfficientNetB4-512px-b2"
[[points]]
workers = [1, 2]
"""


def test_a_profile_says_what_network_a_point_is_of_and_that_its_compute_is_emulated(tmp_path):
    specs = expand(load(tmp_path, EMULATED), SITE)
    assert {(s.backbone, s.resolution, s.batch_size) for s in specs} == {("EfficientNetB4", 512, 2)}
    assert {s.provenance for s in specs} == {Provenance.EMULATED}
    assert {s.data for s in specs} == {""}
    assert all(Path(s.profile) == REPOSITORY / "jobs" / "profiles" / "EfficientNetB4-512px-b2.json" for s in specs)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("b2", "b3", "unknown profile 'EfficientNetB4-512px-b3'; near names: EfficientNetB4-512px-b2"),
        ("[[points]]", "[[points]]\nbatch_size = 8", "batch_size 8 with profile EfficientNetB4-512px-b2, which is of"),
        ("[[points]]", '[[points]]\nbackbone = "VGG16"', "backbone VGG16 with profile"),
        ('mode = "train"', 'mode = "infer"', "emulated compute are of training"),
    ],
)
def test_what_its_profile_is_not_of_a_point_can_not_be(tmp_path, old, new, told):
    with pytest.raises(InputError, match=told):
        expand(load(tmp_path, EMULATED.replace(old, new)), SITE)
