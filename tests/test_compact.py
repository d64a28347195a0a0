"""Exports with parameters in int8: a quarter of the bytes, read through the same checks."""

import dataclasses
import json

import flax.serialization
import jax
import msgpack
import numpy as np
import pytest
from tiny_run import tiny_config, write_run

from signllm_jax.artifacts.compact import compact, restore
from signllm_jax.artifacts.export import export_run
from signllm_jax.artifacts.group import digest, load_group, save_group
from signllm_jax.core.errors import CheckpointError, ConfigError


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("compact") / "run", tiny_config(data_dir, ("asl",)))


def test_a_restored_array_is_within_half_a_step_of_its_column():
    random = np.random.default_rng(0)
    params = {
        "kernel": random.normal(size=(64, 8)).astype(np.float32) * 10.0 ** np.arange(-4, 4),
        "zeros": np.zeros((3, 2), np.float32),
        "deep": {"cube": random.normal(size=(4, 5, 6)).astype(np.float32)},
        "bias": random.normal(size=7).astype(np.float32),
    }
    params["kernel"] = params["kernel"].astype(np.float32)
    back = restore(compact(params))
    assert jax.tree.structure(back) == jax.tree.structure(params)
    for before, after in zip(jax.tree.leaves(params), jax.tree.leaves(back)):
        assert after.dtype == np.float32 and after.shape == before.shape
        step = np.abs(before).max(axis=tuple(range(before.ndim - 1)), initial=0) / 127
        assert (np.abs(after - before) <= 0.5001 * step).all()
    np.testing.assert_array_equal(back["bias"], params["bias"])
    again = restore(compact(back))
    assert digest(again) == digest(back)  # storing once more changes nothing


def test_an_export_in_int8_is_a_quarter_as_large_and_loads_as_what_it_stores(run, tmp_path):
    made = export_run(run.path, tmp_path / "out", stored="int8", command="make it")
    folder = tmp_path / "out" / "groups" / "asl"
    (small,), (large,) = folder.glob("params-*"), run.group("asl").glob("params-*")
    assert small.stat().st_size < 0.35 * large.stat().st_size
    full, group = load_group(run.group("asl")), load_group(folder)
    assert digest(group.params) == made["groups"]["asl"]["params_sha256"] != digest(full.params)
    assert digest(group.params) == digest(restore(compact(full.params)))
    assert dataclasses.replace(group, params=None, tokenizer=None, statistics=None) == (
        dataclasses.replace(full, params=None, tokenizer=None, statistics=None)
    )
    card = (tmp_path / "out" / "README.md").read_text()
    assert "int8" in card and "`make it`" in card
    assert export_run(tmp_path / "out", tmp_path / "copy")["files"] == made["files"]


def test_the_card_shows_what_storing_costs_beside_the_runs_own_report(run, tmp_path):
    told = {"dataset": "fingerspelling", "seed": 0, "steps": 1}
    report = json.dumps({"run": told, "languages": {"asl": {"cer": 0.25}}})
    (run.path / "report.json").write_text(report)
    seen = []

    def measure(folder):
        seen.append(load_group(folder / "groups" / "asl").params)
        return {"asl": {"cer": 0.5}}

    export_run(run.path, tmp_path / "out", stored="int8", measure=measure)
    card = (tmp_path / "out" / "README.md").read_text()
    (before, after) = (line for line in card.splitlines() if line.startswith("| asl, "))
    assert "in float32" in before and "25.0%" in before
    assert "as stored" in after and "50.0%" in after and len(seen) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        {"int8": np.zeros((3, 2), np.int16), "scale": np.ones(2, np.float32)},
        {"int8": np.zeros((3, 2), np.int8), "scale": np.ones(3, np.float32)},
        {"int8": np.zeros((3, 2), np.int8), "scale": np.ones((3, 2), np.float32)},
        {"int8": np.zeros(2, np.int8), "scale": np.ones(2, np.float32)},
        {"int8": {"int8": 1, "scale": 2}, "scale": np.ones(2, np.float32)},
    ],
)
def test_a_malformed_compact_array_is_refused(damaged):
    with pytest.raises(ConfigError, match="a compact array"):
        restore({"layer": {"kernel": damaged}})


def test_a_file_that_is_not_stored_as_told_is_refused_by_name(run, tmp_path):
    save_group(tmp_path, load_group(run.group("asl")), "int8")
    (file,) = tmp_path.glob("params-*")
    held = flax.serialization.msgpack_restore(file.read_bytes())
    leaf = next(value for value in held.values() if isinstance(value, dict) and "int8" in value)
    for change in (lambda: leaf.update(scale=leaf["scale"] * 2), lambda: leaf.pop("scale")):
        change()
        file.write_bytes(flax.serialization.msgpack_serialize(held))
        with pytest.raises(CheckpointError, match=file.name):
            load_group(tmp_path)
    description = tmp_path / "group.json"
    description.write_text(description.read_text().replace('"int8"', '"int4"'))
    with pytest.raises(CheckpointError, match=r"params\.stored"):
        load_group(tmp_path)


def test_parameters_whose_names_are_no_texts_are_refused(run, tmp_path):
    """They could not be sorted: jax's ValueError ended the command."""
    save_group(tmp_path, load_group(run.group("asl")))
    (file,) = tmp_path.glob("params-*")
    for held in ({5: 1}, {5: 1, "layer": 2}, {"layer": {5: 1, "kernel": 2}}):
        file.write_bytes(msgpack.packb(held))
        with pytest.raises(CheckpointError, match=file.name):
            load_group(tmp_path)
