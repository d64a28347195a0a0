"""Every value of the files of a run and of an export may be wrong: one line says which."""

import itertools
import json
import shutil

import jax
import pytest
from commands import run
from tiny_run import tiny_config, write_run

from signllm_jax import SignLLM
from signllm_jax.artifacts.export import check_export, export_run
from signllm_jax.artifacts.group import load_group
from signllm_jax.artifacts.run_files import read_final
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import CheckpointError, ConfigError, SignLLMError
from signllm_jax.core.schema import parse_json
from signllm_jax.models import shapes

WRONG = (
    None,
    True,
    -1,
    10**7,
    10**30,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "../x",
    "\x1b[31m\n",
    "x" * 300,
    [],
    [[]],
    [None],
    {},
    {"x": {}},
    [[1.0, [2.0]]],
)


@pytest.fixture(scope="module")
def trained(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "run"
    return write_run(folder, tiny_config(data_dir, ("asl", "gsl"))).path


@pytest.fixture
def copy(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def variants(values):
    """The same values with one of them, at any depth, wrong or missing."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield {other: values[other] for other in values if other != key}
            yield values | {"surprise": 1}
            for changed in variants(value):
                yield values | {key: changed}
    elif isinstance(values, list) and values:
        for changed in variants(values[0]):
            yield [changed, *values[1:]]
        yield values[1:]
        yield values * 3
    yield from WRONG


def refused(path, values, read, every=1):
    """How many variants of a file are read, and how many refused; nothing else is raised."""
    counts = {"read": 0, "refused": 0}
    for changed in itertools.islice(variants(values), None, None, every):
        path.write_text(json.dumps(changed))
        try:
            read()
            counts["read"] += 1
        except SignLLMError as error:
            counts["refused"] += 1
            assert len(str(error)) < 1500
    return counts


def test_every_value_of_a_config_is_read_or_refused(copy):
    path = copy / "config.json"
    workdir = Workdir(copy)
    counts = refused(path, json.loads(path.read_text()), workdir.read_config, every=7)
    assert counts["refused"] > 200 and counts["read"] > 20


def test_every_note_of_a_run_is_read_or_refused(copy):
    path, workdir = copy / "config.json", Workdir(copy)
    held = json.loads(path.read_text())
    counts = {"read": 0, "refused": 0}
    for name, value in (("saved", True), ("data", {"train": "ab"}), ("kept", ["asl"])):
        for wrong in variants(value):
            path.write_text(json.dumps(held | {name: wrong}))
            try:
                workdir.noted_data()
                workdir.note_saved()
                counts["read"] += 1
            except SignLLMError:
                counts["refused"] += 1
                assert json.loads(path.read_text()).get("saved") is not True or name == "saved"
    assert counts["refused"] > 40 and counts["read"] > 5
    path.write_text(json.dumps(held | {"data": {"train": "ab"}, "other": 1}))
    workdir.note_saved()
    assert workdir.noted_data() == {"train": "ab"}
    more = {"data": {"train": "ab"}, "other": 1, "saved": True}
    assert json.loads(path.read_text()) == held | more


def test_every_value_of_a_final_json_is_read_or_refused_and_moves_nothing_elsewhere(copy):
    final = {"step": 6, "seconds": 1.5, "cpu_seconds": 2, "goodput": {"steps": 1.0}}
    final |= {"data": {"train": "ab"}, "params_sha256": "cd", "versions": {"jax": "1"}}
    path = copy / "final.json"
    assert read_final(copy) is None
    path.write_text(json.dumps(final))
    assert read_final(copy).goodput == {"steps": 1.0}
    counts = refused(path, final, lambda: read_final(copy))
    assert counts["refused"] > 60 and counts["read"] > 10
    path.write_text(json.dumps(final | {"step": "../../x"}))
    with pytest.raises(CheckpointError, match=r"final\.json: .*step"):
        Workdir(copy).set_final_aside()
    path.write_text(json.dumps(final))
    Workdir(copy).set_final_aside()
    assert (copy / "final-6.json").exists() and not path.exists()


@pytest.mark.slow
def test_every_value_of_a_group_is_read_or_refused(copy):
    path = copy / "groups" / "asl" / "group.json"
    held = json.loads(path.read_text())
    counts = refused(path, held, lambda: load_group(path.parent))
    assert counts["refused"] > 700


def test_every_value_of_an_export_is_read_or_refused(copy, tmp_path):
    export_run(copy, tmp_path / "out")
    path = tmp_path / "out" / "model.json"
    counts = refused(path, json.loads(path.read_text()), lambda: check_export(Workdir(path.parent)))
    assert counts["refused"] > 100


def change(path, keys, value):
    held = json.loads(path.read_text())
    place = held
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(held))


@pytest.mark.parametrize(
    "keys, value",
    [
        (("model", "width"), 32768),
        (("model", "width"), 10**7),
        (("model", "vocab"), 1 << 20),
        (("model", "encoder_layers"), 256),
        (("model", "decoder_layers"), 1),
        (("model", "patch"), 4),
        (("model", "mlp"), 32),
        (("model", "heads"), 3),
        (("model", "progress_features"), 5),
        (("model", "frame_size"), 385),
        (("max_frames",), 10**7),
        (("row_tokens",), 10**7),
        (("statistics", "mean"), [[0.0] * 3]),
        (("statistics", "mean"), [[0.0] * 2] * 50),
        (("statistics", "deviation"), [0.0] * 50),
        (("statistics", "fps"), 0.0),
        (("statistics", "layout"), "none"),
        (("tokenizer",), None),
        (("statistics",), None),
        (("params",), None),
        (("params", "sha256"), "0"),
        (("glosses",), "HELLO"),
    ],
    ids=str,
)
def test_a_group_whose_sizes_are_not_those_of_its_parameters_is_refused(copy, keys, value):
    if keys == ("model", "decoder_layers"):
        change(copy / "groups" / "asl" / "group.json", ("model", "encoder_layers"), 2)
    change(copy / "groups" / "asl" / "group.json", keys, value)
    with pytest.raises(CheckpointError, match=r"groups/asl|no parameters"):
        SignLLM.load(copy).produce("ab", "asl")


def test_parameters_of_readers_and_of_text_stages_have_shapes_too(data_dir):
    config = tiny_config(data_dir)
    expected = shapes._of_reader(config.model, config.reading)
    params = jax.tree.map(lambda leaf: jax.numpy.zeros(leaf.shape), expected)
    params = jax.device_get(params)
    assert shapes.difference(params, config.model, None, config.reading) is None
    assert "is missing" in shapes.difference(params, config.model, None, None)


@pytest.mark.parametrize("name", ["config.json", "groups/asl/group.json", "model.json"])
@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"", b"1" * 5000, b'{"a": 1e9999}']
)
def test_a_file_that_is_no_json_is_named(copy, name, data):
    (copy / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=r"config\.json|groups/asl|model\.json"):
        SignLLM.load(copy)


def test_damage_of_json_is_told_in_one_line():
    for data in (b"[" * 100_000, b"\xff\xfe", b"1" * 5000):
        with pytest.raises(ConfigError) as caught:
            parse_json(data)
        assert str(caught.value).count("\n") == 0


def test_control_characters_reach_no_terminal(copy, tmp_path):
    change(copy / "config.json", ("config", "name"), "\x1b[31mred")
    change(copy / "config.json", ("config", "size"), 5)
    change(copy / "config.json", ("config", "\x1b]0;title\x07"), 5)
    args = [f"--workdir={copy}", "--text=hi", f"--output={tmp_path}/out.npz"]
    code, out, err = run(tmp_path, "produce", args)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.strip().isprintable()
