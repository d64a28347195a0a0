"""What an accelerator does otherwise than a CPU: bfloat16, its own attention, donation."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import CONFIG, LANGUAGES, one_device, packed_batch

from signllm_jax.models.history import teacher_forcing
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.train.state import make_state
from signllm_jax.train.step import make_train_step

LANGUAGES = LANGUAGES[:2]


def with_dtype(dtype):
    return dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, dtype=dtype))


@pytest.fixture(scope="module")
def outputs():
    """Frames and counters that the model predicts in float32 and in bfloat16, one language."""
    mesh = one_device()
    state = make_state(CONFIG, LANGUAGES, mesh)
    params = jax.tree.map(lambda leaf: leaf[0], state.params)
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), packed_batch(LANGUAGES))
    inputs = teacher_forcing(batch.frames, batch.segment, CONFIG.model.patch)

    @jax.jit
    def predict(params):
        return {
            dtype: Text2Pose(CONFIG.model, jnp.dtype(dtype)).apply(
                {"params": params}, batch.text, batch.text_segment, *inputs
            )
            for dtype in ("float32", "bfloat16")
        }

    with sharding.use_mesh(mesh):
        return predict(params)


def relative(a, b):
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def test_bfloat16_predicts_what_float32_does(outputs):
    half, full = outputs["bfloat16"], outputs["float32"]
    assert 0 < relative(half.frames, full.frames) < 0.03  # it did compute in another type


def test_the_counter_stays_float32_under_bfloat16(outputs):
    counter, full = (outputs[dtype].counter for dtype in ("bfloat16", "float32"))
    assert counter.dtype == jnp.float32
    assert relative(counter, full) < 0.03
    # bfloat16 has 256 numbers between 0.5 and 1: a counter rounded to it would be a multiple
    inside = np.asarray(counter)[np.asarray(counter) > 0]
    assert (inside != np.asarray(inside, jnp.bfloat16).astype(np.float32)).mean() > 0.9


def losses(config, steps=3):
    mesh = one_device()
    state = make_state(config, LANGUAGES, mesh)
    step = make_train_step(config, LANGUAGES, mesh)
    found = []
    with sharding.use_mesh(mesh):
        batch = jax.device_put(packed_batch(LANGUAGES), sharding.batch_sharding(mesh))
        for _ in range(steps):
            before, (state, metrics) = state, step(state, batch)
            found.append(np.asarray(metrics["loss"]))
    return np.stack(found), before, state


def on_gpu():
    return any(device.platform == "gpu" for device in jax.devices())


needs_gpu = pytest.mark.skipif("not on_gpu()", reason="there is no GPU")


@pytest.mark.gpu
@needs_gpu
def test_the_loss_in_bfloat16_is_near_that_in_float32_on_the_accelerator():
    half, _, _ = losses(with_dtype("bfloat16"))
    full, _, _ = losses(with_dtype("float32"))
    np.testing.assert_allclose(half, full, rtol=0.03)


@pytest.mark.gpu
@needs_gpu
def test_a_model_learns_by_cudnn_what_it_learns_by_xla():
    config = with_dtype("bfloat16")
    by_cudnn = dataclasses.replace(config.model, attention="cudnn")
    known, _, _ = losses(config)
    made, _, _ = losses(dataclasses.replace(config, model=by_cudnn))
    np.testing.assert_allclose(made, known, rtol=0.03)


@pytest.mark.gpu
@needs_gpu
def test_the_accelerator_computes_the_loss_of_the_cpu():
    config = with_dtype("float32")
    with jax.default_matmul_precision("highest"):
        there, _, _ = losses(config)
        with jax.default_device(jax.devices("cpu")[0]):
            mesh = sharding.make_mesh({}, jax.devices("cpu")[:1])
            state = make_state(config, LANGUAGES, mesh)
            step = make_train_step(config, LANGUAGES, mesh)
            with sharding.use_mesh(mesh):
                batch = jax.device_put(packed_batch(LANGUAGES), sharding.batch_sharding(mesh))
                _, metrics = step(state, batch)
    np.testing.assert_allclose(there[0], np.asarray(metrics["loss"]), rtol=1e-4)


@pytest.mark.gpu
@needs_gpu
def test_attention_on_the_accelerator_hides_other_clips_and_the_future():
    mesh = one_device()
    config = with_dtype("bfloat16")
    state = make_state(config, LANGUAGES, mesh)
    params = jax.tree.map(lambda leaf: leaf[0], state.params)
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), packed_batch(LANGUAGES))
    history, counter, segment = teacher_forcing(batch.frames, batch.segment, config.model.patch)
    model = Text2Pose(config.model, jnp.bfloat16)

    @jax.jit
    def predict(history):
        return model.apply(
            {"params": params}, batch.text, batch.text_segment, history, counter, segment
        ).frames

    with sharding.use_mesh(mesh):
        changed = predict(history.at[:, -1].set(9.0))
        same = predict(history)
    patch = config.model.patch
    np.testing.assert_array_equal(changed[:, :-patch], same[:, :-patch])


@pytest.mark.gpu
@needs_gpu
def test_the_state_is_donated():
    _, before, _ = losses(with_dtype("bfloat16"))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before.params))


@pytest.mark.gpu
@needs_gpu
def test_a_short_demo_trains(tmp_path, data_dir):
    from commands import flags, run

    values = {
        "data.data_dir": data_dir,
        "train.steps": 200,
        "eval.every": 100,
        "eval.report": False,
    }
    args = ["--config=configs/mlsf.py:fingerspelling", f"--workdir={tmp_path}/run", *flags(values)]
    code, _, err = run(tmp_path, "train", args)
    assert code == 0, err
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    first, last = (line for line in (lines[0], [x for x in lines if x["kind"] == "train"][-1]))
    for language in ("asl", "gsl", "dsgs", "tsl"):
        assert last[language]["loss"] < 0.7 * first[language]["loss"]
