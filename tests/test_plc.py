"""The Priority Learning Channel inside the train step: what it costs, keeps and survives."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CONFIG, SGD, mesh_of, one_device, packed_batch

from signllm_jax.aot.collectives import cross_language_bytes, read_collectives
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import RLConfig, read_config, to_dict
from signllm_jax.core.errors import ConfigError
from signllm_jax.data import batches
from signllm_jax.parallel import sharding
from signllm_jax.rl import plc
from signllm_jax.train import log, loop
from signllm_jax.train.checkpoint import Checkpoints
from signllm_jax.train.mlsf import MlsfTask
from signllm_jax.train.state import abstract_state, make_state, state_shardings
from signllm_jax.train.step import gather_metrics, make_train_step

LANES = ("asl", "gsl")
PLC = RLConfig(
    plc=True, loss="reward", share=0.5, strata=4, capacity=64, clip_frames=12, clip_tokens=6
)


def with_rl(config, **changed):
    return dataclasses.replace(config, rl=dataclasses.replace(PLC, **changed))


def host_batch(step):
    """Two lanes of four rows, an example index for every clip."""
    batch = packed_batch(LANES, rows=4, seed=step)
    number = np.arange(batch.example.size).reshape(batch.example.shape) + 100 * step
    return batch._replace(example=np.where(batch.example >= 0, number, -1).astype(np.int32))


@functools.cache
def compiled(config_json, shape):
    config, mesh = read_config(json.loads(config_json)), mesh_of(*shape)
    state, step_fn = make_state(config, LANES, mesh), make_train_step(config, LANES, mesh)
    batch = host_batch(0) if config.rl.plc else packed_batch(LANES, rows=8)
    placed = jax.device_put(batch, sharding.batch_sharding(mesh))
    with sharding.use_mesh(mesh):
        return state, step_fn.lower(state, placed).compile()


def program(config, shape):
    return compiled(json.dumps(to_dict(config)), shape)


def run(config, shape, steps, change=lambda step, batch: batch):
    """States and metrics of steps on a mesh."""
    mesh = mesh_of(*shape)
    state, step_fn = program(config, shape)
    state = jax.tree.map(jnp.copy, state)
    metrics = []
    with sharding.use_mesh(mesh):
        for step in range(steps):
            batch = change(step, host_batch(step))
            placed = jax.device_put(batch, sharding.batch_sharding(mesh))
            state, found = jax.block_until_ready(step_fn(state, placed))
            metrics.append(gather_metrics(found, mesh))
    return state, metrics


MESHES = [(2, 1, 1, 1), (2, 2, 2, 1), (1, 2, 2, 2)]


def kinds(hlo):
    """How many collectives there are of each kind, between how many devices."""
    counts = {}
    for one in read_collectives(hlo, 8):
        key = one.kind, one.groups.shape
        counts[key] = counts.get(key, 0) + 1
    return counts


@pytest.mark.slow
def test_groups_of_clips_pass_no_byte_between_devices():
    config, shape = with_rl(SGD, group="signer"), (2, 2, 2, 1)
    mesh, batch = mesh_of(*shape), host_batch(0)
    batch = batch._replace(group=np.where(batch.example >= 0, batch.example % 3, -1))
    state, step_fn = make_state(config, LANES, mesh), make_train_step(config, LANES, mesh)
    plain = kinds(program(with_rl(SGD), shape)[1].as_text())
    with sharding.use_mesh(mesh):
        placed = jax.device_put(batch, sharding.batch_sharding(mesh))
        made = step_fn.lower(state, placed).compile()
        state, _ = made(state, placed)
    assert kinds(made.as_text()) == plain
    held, group = (np.asarray(x).ravel() for x in (state.replay.example, state.replay.group))
    assert (held >= 0).sum() > 10
    np.testing.assert_array_equal(group, np.where(held >= 0, held % 3, -1))


@pytest.mark.slow
def test_a_step_learns_by_the_policy_gradient_alone():
    """As part of the whole step, which differentiates inside of the lanes."""
    config = with_rl(SGD, loss="policy_gradient", supervised=0.0)
    shape = (1, 1, 1, 1)
    before = jax.tree.leaves(jax.tree.map(np.asarray, program(config, shape)[0].params))
    after, (metrics,) = run(config, shape, 1)
    assert np.isfinite(metrics["policy"]).all() and (metrics["gradient_norm"] > 0).all()
    assert any((x != np.asarray(y)).any() for x, y in zip(before, jax.tree.leaves(after.params)))


@pytest.mark.slow
def test_the_channel_adds_no_collective():
    shape = (2, 2, 2, 1)
    base = program(dataclasses.replace(SGD, rl=RLConfig()), shape)[1].as_text()
    with_channel = program(with_rl(SGD), shape)[1].as_text()
    assert cross_language_bytes(with_channel, mesh_of(*shape)) == 0
    assert kinds(with_channel) == kinds(base)


@pytest.mark.slow
@pytest.mark.parametrize("shape", MESHES)
def test_every_mesh_draws_the_same_clips_and_learns_the_same(shape):
    one, expected = run(with_rl(SGD), (1, 1, 1, 1), 3)
    other, found = run(with_rl(SGD), shape, 3)
    for name in ("example", "length", "inserted", "deferred", "seen_step", "frames"):
        np.testing.assert_array_equal(
            getattr(one.replay, name), getattr(other.replay, name), err_msg=name
        )
    np.testing.assert_allclose(one.replay.error, other.replay.error, rtol=1e-4)
    assert (np.asarray(one.replay.error) > 0).sum() > 40
    for before, after in zip(expected, found):
        np.testing.assert_allclose(before["loss"], after["loss"], rtol=5e-6)
        np.testing.assert_array_equal(before["frames"], after["frames"])
        assert (before["frames"] > 100).all()


def clip_of(lane, example):
    """A clip of `host_batch` by its index, as the data pipeline gives it."""
    batch = host_batch(example // 100)
    (found,), (row,), (number,) = np.nonzero(batch.example == example)
    assert found == lane
    inside = batch.segment[lane, row] == number + 1
    spoken = batch.text_segment[lane, row] == number + 1
    return (
        batch.text[lane, row][spoken].tolist(),
        batch.frames[lane, row][inside],
        batch.joint_mask[lane, row][inside],
    )


@pytest.mark.slow
def test_a_checkpoint_leaves_the_clips_out_and_another_mesh_goes_on_with_the_same_draws(tmp_path):
    config = with_rl(SGD)
    saved, _ = run(config, (2, 1, 1, 1), 3)
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(3, plc.without_clips(saved), {})
    checkpoints.close()
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    whole = saved.replay.frames.nbytes + sum(leaf.nbytes for leaf in jax.tree.leaves(saved.params))
    assert size < whole

    mesh = mesh_of(2, 2, 2, 1)
    like = jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
        abstract_state(config, LANES),
        state_shardings(config, LANES, mesh),
    )
    restored, _ = checkpoints.restore(plc.without_clips(like))
    checkpoints.close()
    restored = plc.with_clips(restored, like.replay, clip_of)
    held = np.asarray(saved.replay.example) >= 0
    for name in ("frames", "text", "length", "example", "error", "deferred"):
        before, after = np.asarray(getattr(saved.replay, name)), getattr(restored.replay, name)
        chosen = held if before.ndim > 2 else ...
        np.testing.assert_array_equal(np.asarray(after)[chosen], before[chosen], err_msg=name)
    drawn = {}
    for shape, state in (((2, 1, 1, 1), saved), ((2, 2, 2, 1), restored)):
        mesh, step_fn = mesh_of(*shape), program(config, shape)[1]
        with sharding.use_mesh(mesh):
            batch = jax.device_put(host_batch(3), sharding.batch_sharding(mesh))
            after, metrics = jax.block_until_ready(step_fn(jax.tree.map(jnp.copy, state), batch))
            drawn[shape] = np.asarray(after.replay.seen_step), gather_metrics(metrics, mesh)
    first, second = drawn.values()
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_allclose(first[1]["loss"], second[1]["loss"], rtol=5e-6)


def test_a_clip_that_is_not_a_number_is_quarantined_and_training_goes_on():
    def damage(step, batch):
        frames = batch.frames.copy()
        if step == 1:
            inside = batch.segment[0, 2] == 1
            frames[0, 2, np.flatnonzero(inside)[2], 5] = np.nan
        return batch._replace(frames=frames)

    config = with_rl(SGD)
    state, metrics = run(config, (2, 1, 1, 1), 3, damage)
    assert all(np.isfinite(found["loss"]).all() for found in metrics)
    assert plc.summary(state.replay)["replay_quarantined"].tolist() == [1, 0]
    bad = np.asarray(state.replay.example)[np.isposinf(state.replay.error)]
    assert bad.tolist() == [host_batch(1).example[0, 2, 0]]
    _, clean = run(config, (2, 1, 1, 1), 3)
    assert clean[1]["frames"][0] > metrics[1]["frames"][0]
    assert clean[1]["loss"][1] == metrics[1]["loss"][1]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"strata": 3}, "train.batch_size"),
        ({"strata": 8}, "train.batch_size"),
        ({"share": 1.0}, "train.batch_size"),
        ({"capacity": 66}, "rl.capacity: 66 is not a multiple of strata = 4"),
        ({"capacity": 8}, "rl.capacity: 8 holds less than a batch"),
        ({"clip_frames": 10}, "rl.clip_frames"),
    ],
)
def test_a_buffer_that_fits_neither_batch_nor_strata_is_refused(changed, what):
    with pytest.raises(ConfigError, match=what):
        read_config(to_dict(with_rl(CONFIG, **changed)))


def test_strata_that_the_mesh_does_not_divide_are_refused():
    config = with_rl(CONFIG, strata=2)
    mesh = dataclasses.replace(config.mesh, data=4, language=2)
    with pytest.raises(ConfigError, match=r"rl.strata: 2 cannot be split over data\*fsdp = 4"):
        loop.make_run_mesh(dataclasses.replace(config, mesh=mesh, eval=EVAL), LANES)


EVAL = dataclasses.replace(CONFIG.eval, batch_size=8)


def real_config(data_dir, **changed):
    return dataclasses.replace(
        CONFIG,
        data=dataclasses.replace(
            CONFIG.data, data_dir=data_dir, languages=("asl",), row_frames=512, row_clips=8
        ),
        rl=dataclasses.replace(
            PLC, strata=2, capacity=400, clip_frames=96, clip_tokens=8, **changed
        ),
        train=dataclasses.replace(CONFIG.train, steps=60, batch_size=8),
        eval=dataclasses.replace(CONFIG.eval, every=60, clips=3, max_frames=32, batch_size=4),
        checkpoint=dataclasses.replace(CONFIG.checkpoint, every=31),
        log=dataclasses.replace(CONFIG.log, every=1, progress=False),
    )


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{"resident": True}, {"rollout": "free_running"}])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(changed, data_dir, tmp_path, monkeypatch):
    config = real_config(data_dir, **changed)
    monkeypatch.setattr(loop, "make_run_mesh", lambda config, lanes: one_device())
    whole = loop.train(config, tmp_path / "whole")

    class Stops(log.RunLog):
        steps = 0

        def advance(self):
            self.steps += 1
            if self.steps == 40:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(log, "RunLog", Stops)
        with pytest.raises(KeyboardInterrupt):
            loop.train(config, tmp_path / "stopped")
    again = loop.train(config, tmp_path / "stopped")
    assert again["params_sha256"] == whole["params_sha256"]
    lines = (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-2])
    assert last["asl"]["replay_clips"] == 400 and last["asl"]["replay_quarantined"] == 0


@pytest.mark.slow
def test_a_resident_run_reads_every_clip_once(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "make_run_mesh", lambda config, lanes: one_device())
    asked = []
    plain = batches.TrainData.batch

    def batch(self, step, languages, rows):
        asked.append(step)
        return plain(self, step, languages, rows)

    monkeypatch.setattr(batches.TrainData, "batch", batch)
    loop.train(real_config(data_dir, resident=True), tmp_path / "run")
    assert sorted(asked) == list(range(len(asked))) and 10 < len(asked) < 60


def test_clips_that_the_buffer_cannot_hold_are_no_resident_data(data_dir):
    for changed in ({"capacity": 300}, {"clip_frames": 88}):
        config = real_config(data_dir, resident=True)
        config = dataclasses.replace(config, rl=dataclasses.replace(config.rl, **changed))
        task = MlsfTask(config)
        data = task.train_data(("asl",), task.open_groups(("asl",), Workdir("nowhere")))
        own = config.rl.capacity // config.rl.strata
        with pytest.raises(ConfigError, match=r"config\.rl\.resident: asl has 200 train clips"):
            data.first_pass(own, *plc.clip_shape(config))
