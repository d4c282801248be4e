import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgalaxy.errors import InputError
from deepgalaxy.networks.catalogue import BACKBONES
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import SCHEMA_VERSION, RunSpec, read_json, to_json
from deepgalaxy.words import Compute, Engine, Mode, Outcome, Precision, Provenance

specs = st.builds(
    RunSpec,
    mode=st.sampled_from([Mode.TRAIN, Mode.INFER]),
    backbone=st.sampled_from(sorted(BACKBONES)),
    resolution=st.integers(75, 4096),
    batch_size=st.integers(1, 512),
    workers=st.integers(1, 4096),
    data=st.text(max_size=30).map(lambda s: s.replace("/", "")),
    precision=st.sampled_from([Precision.FP32, Precision.BF16]),
    engine=st.sampled_from(Engine),
    learning_rate=st.floats(1e-6, 100),
)


@given(specs)
def test_a_spec_survives_json(tmp_path_factory, spec):
    path = tmp_path_factory.getbasetemp() / "spec.json"
    path.write_bytes(to_json(spec))
    assert read_json(path, RunSpec) == spec


@given(specs, specs)
def test_the_key_tells_points_apart(a, b):
    assert (a.key == b.key) == (a == b)


def test_the_key_does_not_depend_on_where_the_data_lie(make_spec):
    assert make_spec(data="/a/mergers.hdf5").key == make_spec(data="/b/mergers.hdf5").key
    assert make_spec(data="/a/mergers.hdf5").key != make_spec(data="/a/others.hdf5").key


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"backbone": "EfficientnetB9"}, "near names: EfficientNetB"),
        ({"backbone": "zzzzzzzzzz"}, "allowed: Small, EfficientNetB0"),
        ({"resolution": 31}, "resolution 31 is too small: 32 or more is allowed for EfficientNetB0"),
        ({"backbone": "InceptionV3", "resolution": 74}, "75 or more is allowed for InceptionV3"),
        ({"workers": 0}, "workers 0 is too small: 1 or more"),
        ({"batch_size": -1}, "batch_size -1 is too small"),
        ({"warmup_steps": 0}, "traces the graph"),
        ({"learning_rate": 0.0}, "learning_rate 0.0 is not a positive number"),
        ({"learning_rate": float("nan")}, "learning_rate nan is not a positive number"),
        ({"schema": 99}, "schema 99"),
        ({"mode": Mode.LOAD}, "backbone 'EfficientNetB0' with mode load: 'none' is for load alone"),
        ({"backbone": "none"}, "backbone 'none' with mode train"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused_in_one_line(make_spec, fields, told):
    with pytest.raises(InputError, match=told) as caught:
        make_spec(**fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", '{"mode": "train"}', '{"mode": "fly"}', "[]"])
def test_a_file_that_is_no_spec_is_refused_by_name(tmp_path, content):
    path = tmp_path / "spec.json"
    path.write_text(content)
    with pytest.raises(InputError, match="spec.json"):
        read_json(path, RunSpec)
    with pytest.raises(InputError, match="No such file"):
        read_json(tmp_path / "none.json", RunSpec)


def test_a_record_needs_its_provenance(make_record, tmp_path):
    content = msgspec.json.decode(to_json(make_record([[1.0]])))
    del content["provenance"]
    path = tmp_path / "record.json"
    path.write_bytes(msgspec.json.encode(content))
    with pytest.raises(InputError, match="provenance"):
        read_json(path, RunRecord)


def test_an_ok_record_needs_every_rank_and_a_failed_one_its_reason(make_record):
    record = make_record([[1.0], [1.0]])
    with pytest.raises(InputError, match="holds 1 ranks"):
        msgspec.structs.replace(record, ranks=record.ranks[:1])
    with pytest.raises(InputError, match="needs its reason"):
        msgspec.structs.replace(record, outcome=Outcome.OOM)


def test_automatic_mixed_precision_is_the_extensions(make_spec):
    assert make_spec(precision=Precision.BF16_AMP, engine=Engine.ITEX).precision is Precision.BF16_AMP
    with pytest.raises(InputError, match="precision bf16-amp is the extension's: it needs engine itex"):
        make_spec(precision=Precision.BF16_AMP)


def test_a_trained_model_is_for_inference(make_spec):
    with pytest.raises(InputError, match="model a.keras with mode train"):
        make_spec(model="a.keras")
    assert make_spec(model="a.keras", mode=Mode.INFER).key != make_spec(mode=Mode.INFER).key


@pytest.mark.parametrize("schema", range(1, SCHEMA_VERSION))
def test_a_record_of_an_older_schema_is_read_as_one_of_this(schema, make_record, tmp_path):
    record = make_record([[1.0]])
    content = msgspec.json.decode(to_json(record))
    for part in (content, content["spec"]):
        part["schema"] = schema
    new = {"compute", "profile", "split_steps", "timeline"} | ({"model", "device"} if schema == 1 else set())
    for name in new:
        del content["spec"][name]
    for name in ("hosts", "job") if schema == 1 else ():
        del content[name]
    path = tmp_path / "record.json"
    path.write_bytes(msgspec.json.encode(content))
    assert read_json(path, RunRecord) == record


def test_a_record_of_a_newer_schema_is_refused(make_record, tmp_path):
    content = msgspec.json.decode(to_json(make_record([[1.0]])))
    path = tmp_path / "record.json"
    path.write_bytes(msgspec.json.encode(content | {"schema": SCHEMA_VERSION + 1, "more": 1}))
    newer = f"schema {SCHEMA_VERSION + 1} is of a newer version; this one reads up to {SCHEMA_VERSION}"
    with pytest.raises(InputError, match=newer):
        read_json(path, RunRecord)


def test_emulated_compute_marks_the_point_and_its_figures(make_spec, make_record):
    emulated = {"compute": Compute.EMULATED, "profile": "b4.json"}
    spec = make_spec(**emulated)
    assert spec.provenance is Provenance.EMULATED
    assert spec.key != make_spec().key
    assert "emulated" in spec.name
    with pytest.raises(InputError, match="a record of emulated compute can't be measured"):
        make_record([[1.0]], provenance=Provenance.MEASURED, **emulated)
    with pytest.raises(InputError, match="emulated alone has one"):
        make_spec(compute=Compute.EMULATED)


def test_options_of_training_are_refused_elsewhere(make_spec):
    with pytest.raises(InputError, match="are of training, not of infer"):
        make_spec(mode=Mode.INFER, split_steps=2)
    with pytest.raises(InputError, match="allreduce_rounds 3 with workers that exchange nothing"):
        make_spec(allreduce_rounds=3, exchange=False)
    with pytest.raises(InputError, match="meet true with workers that exchange: they wait"):
        make_spec(meet=True)
    with pytest.raises(InputError, match="yardstick true: it is of real training and inference alone"):
        make_spec(yardstick=True, compute=Compute.EMULATED, profile="b4.json")


def test_a_point_stays_the_same_when_fields_with_defaults_are_added(make_spec):
    assert make_spec(split_steps=0).key == make_spec().key != make_spec(split_steps=2).key
