"""A run goes on with its own data and settings, and to more steps."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from tiny import one_device
from tiny_run import tiny_config

from signllm_jax.artifacts.resuming import MAY_CHANGE, first_difference
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.corpora.digests import RecordsDigest, first_changed, listing_digest
from signllm_jax.corpora.listings import read_columns, write_listing
from signllm_jax.data import splits
from signllm_jax.train import loop
from signllm_jax.train.binding import check_data
from signllm_jax.train.mlsf import MlsfTask


@pytest.fixture(scope="module")
def config(data_dir):
    return tiny_config(data_dir)


def changed(config, **values):
    for name, value in values.items():
        section, key = name.split("__")
        own = dataclasses.replace(getattr(config, section), **{key: value})
        config = dataclasses.replace(config, **{section: own})
    return config


ALLOWED = {
    "more steps": {"train__steps": 24},
    "more steps of one language": {"train__language_steps": {"asl": 24}},
    "more steps at a constant rate": {"train__steps": 24, "optimizer__schedule": "constant"},
    "a mesh": {"mesh__fsdp": 2},
    "logs": {"log__every": 7},
    "checkpoints": {"checkpoint__every": 9},
    "a folder": {"data__data_dir": "elsewhere"},
    "more bad clips": {"data__max_bad": 99},
}
REFUSED = {
    "fewer steps": ({"train__steps": 8}, "config.train.steps is 12 there, 8 here; a run goes on"),
    "fewer of one language": ({"train__language_steps": {"asl": 4}}, "language_steps is {} there"),
    "another schedule": ({"optimizer__schedule": "constant"}, "config.optimizer.schedule is"),
    "another width": ({"model__width": 32}, "config.model.width is 16 there, 32 here"),
    "more steps and another rate": (
        {"train__steps": 24, "optimizer__learning_rate": 1.0},
        "config.optimizer.learning_rate",
    ),
    "spikes": ({"train__skip_spikes": 4.0}, "config.train.skip_spikes is 0.0 there"),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_a_run_may_go_on_with(case, config):
    assert first_difference(changed(config, **ALLOWED[case]), config, ("asl",)) is None


@pytest.mark.parametrize("case", REFUSED)
def test_a_run_does_not_go_on_with(case, config):
    values, said = REFUSED[case]
    assert said in first_difference(changed(config, **values), config, ("asl",))


def test_the_settings_that_may_change_are_settings(config):
    for name in MAY_CHANGE:
        section, _, key = name.partition(".")
        assert hasattr(getattr(config, section), key) if key else hasattr(config, section)


def test_a_digest_follows_ids_texts_glosses_lengths_and_their_order():
    one = listing_digest(["a", "b"], ["x y", "z"], ["", "Z"], [3, 4])
    for other in (
        (["b", "a"], ["x y", "z"], ["", "Z"], [3, 4]),
        (["a", "b"], ["z", "x y"], ["", "Z"], [3, 4]),
        (["a", "b"], ["x y", "z"], ["Z", ""], [3, 4]),
        (["a", "b"], ["x y", "z"], ["", "Z"], [4, 3]),
        (["a"], ["b", "x y", "z"], ["", "Z"], [3, 4]),
    ):
        assert listing_digest(*other) != one
    assert listing_digest(["a", "b"], ["x y", "z"], ["", "Z"], [3, 4]) == one


def test_a_digest_of_records_follows_their_arrays():
    def of(pose, text="hi"):
        digest = RecordsDigest()
        digest.add({"text": text, "pose": pose})
        return digest.hexdigest()

    pose = np.arange(6, dtype=np.float16).reshape(2, 3)
    assert of(pose) == of(pose.copy())
    assert len({of(pose), of(pose + 1), of(pose.reshape(3, 2)), of(pose, "ho")}) == 4


def test_data_prepared_before_records_were_digested_is_compared_by_what_it_lists():
    assert first_changed({"asl/dev": "1 7"}, {"asl/dev": "1"}) is None
    assert first_changed({"asl/dev": "1"}, {"asl/dev": "1 7"}) is None
    assert first_changed({"asl/dev": "1 7"}, {"asl/dev": "1 8"}) == "asl/dev"
    assert first_changed({"asl/dev": "1", "asl/train": "2"}, {"asl/dev": "1"}) == "asl/train"


def test_the_data_of_a_run_has_digests_of_lists_and_records(config):
    digests = MlsfTask(config).data_digests(("asl",))
    assert list(digests) == ["asl/train", "asl/dev"]
    for digest in digests.values():
        assert re.fullmatch(r"[0-9a-f]{64} [0-9a-f]{64}", digest)


def test_other_data_is_refused_by_name_and_a_run_from_before_goes_on(config, tmp_path):
    workdir = Workdir(tmp_path)
    mine, other = {"asl/train": "1", "asl/dev": "2"}, {"asl/train": "1", "asl/dev": "3"}
    assert check_data(workdir, mine, mine) == []
    assert "from before" in check_data(workdir, mine, None)[0]
    with pytest.raises(DataError, match="trained on other data: asl/dev is 3 there, 2 here"):
        check_data(workdir, mine, other)


@pytest.fixture
def swapped(data_dir, tmp_path):
    """The data of asl with the texts of its first two train clips exchanged."""
    folder = tmp_path / "swapped"
    name = "prompt2sign/asl_fingerspelling"
    shutil.copytree(f"{data_dir}/{name}", folder / name)
    (file,) = folder.rglob("metadata.json")
    metadata = json.loads(file.read_text())
    described = metadata["splits"]["train"]
    columns, _ = read_columns(file.parent, "train", described)
    examples = [
        {"id": id_, "text": text, "gloss": " ".join(units), "pose": range(length)}
        for id_, text, units, length in zip(*columns)
    ]
    texts = [example["text"] for example in examples]
    examples[0]["text"], examples[1]["text"] = texts[1], texts[0]
    assert list(write_listing(file.parent, "train", examples, described)) == examples
    file.write_text(json.dumps(metadata))
    return folder


def test_a_record_that_disagrees_with_the_metadata_is_an_error(swapped):
    train = splits.open_split("fingerspelling", "asl", "train", swapped)
    assert train[2]["text"] == train.texts[2]
    for index in (0, 1):
        with pytest.raises(DataError, match=f"{train.ids[index]}: the record is not what the meta"):
            train[index]


@pytest.fixture(scope="module")
def on_one_device():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_run_mesh", lambda config, languages: one_device())
        yield


@pytest.fixture(scope="module")
def constant(config, on_one_device, tmp_path_factory):
    """A run of twelve steps at a constant rate."""
    config = changed(config, optimizer__schedule="constant", optimizer__warmup=0)
    path = tmp_path_factory.mktemp("constant") / "run"
    loop.train(config, path)
    return config, path


def lines(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_run_that_is_made_longer_ends_as_one_that_was_long_from_the_start(constant, tmp_path):
    config, path = constant
    longer = changed(config, train__steps=18)
    whole = loop.train(longer, tmp_path / "whole")
    shutil.copytree(path, tmp_path / "run")
    final = loop.train(longer, tmp_path / "run")
    assert final["step"] == 18 and final["params_sha256"] == whole["params_sha256"]
    assert lines(tmp_path / "run") == lines(tmp_path / "whole")
    assert json.loads((tmp_path / "run" / "final-12.json").read_text())["step"] == 12
    with pytest.raises(
        ConfigError, match=r"train\.steps is 18 there, 12 here; a run goes on to mo"
    ):
        loop.train(config, tmp_path / "run")


@pytest.mark.slow
def test_a_run_does_not_go_on_with_swapped_texts(constant, swapped, tmp_path):
    config, path = constant
    shutil.copytree(path, tmp_path / "run")
    other = changed(config, data__data_dir=str(swapped), train__steps=18)
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    with pytest.raises(DataError, match="trained on other data: asl/train is"):
        loop.train(other, tmp_path / "run")
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


@pytest.mark.slow
def test_goodput_says_where_the_seconds_went_and_what_a_restart_lost(constant, tmp_path):
    config, path = constant
    final = json.loads((path / "final.json").read_text())
    spent = final["goodput"]
    assert sum(spent.values()) == pytest.approx(final["seconds"], rel=0.1)
    assert spent["steps"] > 0 and spent["compiling"] > 0 and spent["lost_to_restarts"] == 0
    shutil.copytree(path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "12")  # as if it was killed before
    again = loop.train(config, tmp_path / "run")
    assert again["params_sha256"] == final["params_sha256"]
    assert again["goodput"]["lost_to_restarts"] > 0
    assert set(final["data"]) == {"asl/train", "asl/dev"}
