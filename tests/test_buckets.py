"""Work directories and data on buckets, with a stand-in for the bucket."""

import dataclasses
import json
import time

import flax.linen as nn
import jax
import numpy as np
import pytest
from buckets import fake_bucket
from etils import epath
from tiny import CONFIG, MODEL, one_device

from signllm_jax.artifacts.group import Group, load_group, save_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.errors import CheckpointError, DataError
from signllm_jax.core.storage import ask_for
from signllm_jax.data import splits
from signllm_jax.models import mlsf
from signllm_jax.train import loop
from signllm_jax.train.log import RunLog

RUN = "gs://bucket/runs/one"


@pytest.fixture
def bucket():
    with fake_bucket() as bucket:
        yield bucket


def group(step):
    shapes = nn.unbox(mlsf.abstract_group(MODEL))
    params = jax.tree.map(lambda leaf: np.full(leaf.shape, step, leaf.dtype), shapes)
    return Group("asl", MODEL, None, None, "fingerspelling", 8, 8, params=params, step=step)


def test_a_group_is_replaced_by_the_file_that_is_written_last(bucket):
    folder = Workdir(RUN).group("asl")
    for step in (3, 7):
        save_group(folder, group(step))
        found = load_group(folder)
        assert found.step == step
        np.testing.assert_array_equal(found.params["start"], group(step).params["start"])
    assert sorted(path.name for path in folder.iterdir()) == ["group.json", "params-7.msgpack"]


def test_a_log_is_local_until_it_is_synced_and_goes_on_where_it_ended(bucket, monkeypatch):
    held = epath.Path(RUN) / "metrics.jsonl"
    log = RunLog(epath.Path(RUN), 0, 9, progress=False)
    for step in (1, 2, 3):
        log.write(step, "train", {"asl": {"loss": float(step)}})
    assert not held.exists()
    log.sync()
    assert len(held.read_text().splitlines()) == 3
    log.write(4, "train", {"asl": {"loss": 4.0}})
    monkeypatch.setattr(log, "_bucket", None)  # the host is lost
    log.close()
    log = RunLog(epath.Path(RUN), 2, 9, progress=False)
    log.write(3, "train", {"asl": {"loss": 3.5}})
    log.close()
    lines = [json.loads(line) for line in held.read_text().splitlines()]
    assert [(x["step"], x["asl"]["loss"]) for x in lines] == [(1, 1.0), (2, 2.0), (3, 3.5)]
    assert any("tfevents" in path.name for path in epath.Path(RUN).iterdir())


def test_a_bucket_that_does_not_answer_is_an_error_of_one_line(bucket, monkeypatch):
    monkeypatch.setattr(bucket, "exists", lambda *args, **kwargs: time.sleep(5))
    monkeypatch.setattr("signllm_jax.core.storage.SECONDS", 0.1)
    with pytest.raises(DataError, match=r"^gs://bucket/data: no answer in 0\.1 s$"):
        splits.open_split("prompt2sign", "asl", "train", "gs://bucket/data")
    with pytest.raises(CheckpointError, match="no answer"):
        Workdir(RUN).check(CONFIG, ("asl",))


def test_a_bucket_that_refuses_says_why(bucket, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("Anonymous caller has no access\nand more lines")

    monkeypatch.setattr(bucket, "exists", refuse)
    with pytest.raises(DataError, match=r"read \(Anonymous caller has no access\)$"):
        ask_for("gs://bucket/data", DataError)


@pytest.mark.slow
def test_a_run_on_a_bucket_is_a_run_on_a_disk(bucket, data_dir, tmp_path, monkeypatch):
    """All but its checkpoints, which tensorstore writes by itself, are on the stand-in."""
    monkeypatch.setattr(loop, "make_run_mesh", lambda config, languages: one_device())
    config = dataclasses.replace(
        CONFIG,
        data=dataclasses.replace(
            CONFIG.data, data_dir=data_dir, languages=("asl",), row_frames=128
        ),
        train=dataclasses.replace(CONFIG.train, steps=4, batch_size=4),
        eval=dataclasses.replace(CONFIG.eval, every=2, clips=3, max_frames=32, batch_size=4),
        checkpoint=dataclasses.replace(CONFIG.checkpoint, every=2),
        log=dataclasses.replace(CONFIG.log, every=1, progress=False),
    )
    on_disk = loop.train(config, tmp_path / "run")
    local = property(lambda workdir: tmp_path / "checkpoints")
    monkeypatch.setattr(Workdir, "checkpoints", local)
    on_bucket = loop.train(config, RUN)
    assert on_bucket["params_sha256"] == on_disk["params_sha256"]
    run = epath.Path(RUN)
    assert json.loads((run / "final.json").read_text()) == on_bucket
    for name in ("metrics.jsonl", "config.json"):
        assert (run / name).read_text() == (tmp_path / "run" / name).read_text()
    held, other = (load_group(Workdir(path).group("asl")) for path in (RUN, tmp_path / "run"))
    assert jax.tree.all(jax.tree.map(np.array_equal, held.params, other.params))
    assert loop.train(config, RUN)["step"] == 4  # finished already: nothing is trained again
