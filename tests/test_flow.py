"""Flow matching: a parallel decoder makes a clip out of noise, in a few passes."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
from tiny import CONFIG, LEFT, MODEL, RIGHT, TEXT, random_params

from signllm_jax.core.config import read_config, to_dict
from signllm_jax.core.errors import ConfigError
from signllm_jax.inference import pose_decoding
from signllm_jax.models import generation, mlsf
from signllm_jax.models.layers import flow
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.train.mlsf import MlsfTask, noised

pytestmark = pytest.mark.usefixtures("mesh")
FLOW = dataclasses.replace(MODEL, decoder="parallel", flow=3)
FRAMES = 64


@pytest.fixture(scope="module")
def params(mesh):
    return random_params(FLOW)


@pytest.fixture(scope="module")
def make():
    return jax.jit(
        lambda params, noise=None: pose_decoding.generate(
            Text2Pose(FLOW), params, TEXT, FRAMES, noise
        )
    )


def noise_of(seed):
    size = 3, generation.draws(FLOW, FRAMES)
    return np.random.default_rng(seed).normal(size=size).astype(np.float32)


def test_a_decoder_of_one_pass_has_none_of_it():
    once = mlsf.abstract_group(dataclasses.replace(FLOW, flow=0))
    more = mlsf.abstract_group(FLOW)
    assert set(more) - set(once) == {"embed_history", "flow_time", "embed_latent", "variety"}
    assert set(once) < set(more) and set(more["variety"]) == {"hands"}
    with_code = mlsf.abstract_group(dataclasses.replace(FLOW, latent=5))
    assert set(with_code) == set(more) and "posterior" in with_code["variety"]


def test_an_autoregressive_decoder_makes_nothing_out_of_noise():
    config = dataclasses.replace(CONFIG, model=dataclasses.replace(FLOW, decoder="autoregressive"))
    with pytest.raises(ConfigError, match=r"model\.flow: 3 passes need decoder = parallel"):
        read_config(to_dict(config))


def test_steps_towards_what_is_told_stay_on_the_straight_path():
    frames, key = np.random.default_rng(0).normal(size=(2, 8, 6)), jax.random.key(3)
    point = start = flow.on_the_way(frames, np.zeros((2, 8)), key)
    for step in range(4):
        between = flow.on_the_way(frames, np.full((2, 8), step / 4), key)
        np.testing.assert_allclose(point, between, atol=1e-6)
        point = flow.advance(point, frames, step, 4)
    np.testing.assert_allclose(point, frames, atol=1e-6)
    assert np.abs(start - frames).mean() > 0.5


def test_every_clip_of_a_row_is_on_its_way_and_what_is_not_observed_is_noise(batch):
    key = jax.random.key(0)
    point, time = noised(batch, key, MODEL.patch)
    hidden = batch.frames.copy()
    hidden[..., :-1] += ~np.repeat(batch.joint_mask, 3, -1)
    np.testing.assert_array_equal(point, noised(batch._replace(frames=hidden), key, MODEL.patch)[0])
    segment = batch.segment[:, :: MODEL.patch]
    for row, own in zip(time, segment):
        times = {int(clip): {float(t) for t in row[own == clip]} for clip in np.unique(own)}
        assert all(len(each) == 1 for each in times.values())
        assert len({min(each) for each in times.values()}) == len(times)
        assert times.get(0, {0.0}) == {0.0}


def test_noise_decides_on_the_clip_and_the_likeliest_needs_none(make, params):
    one, again, other = (make(params, noise_of(seed)) for seed in (0, 0, 1))
    for x, y in zip(one, again):
        np.testing.assert_array_equal(x, y)
    assert np.abs(one.frames[:2] - other.frames[:2]).max((1, 2)).min() > 1e-3
    assert one.length[2] == 0 and not one.seen[2].any() and one.ended[:2].all()
    for x, y in zip(make(params), make(params, 0 * noise_of(0))):
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_a_clip_shows_only_the_hands_that_were_drawn_for_it(make, params):
    head, hands = params["seen_head"], params["variety"]["hands"]
    willing = params | {"seen_head": head | {"bias": head["bias"] + 50}}
    for number, (right, left) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        sure = {"kernel": 0 * hands["kernel"], "bias": 50.0 * np.eye(4, dtype=np.float32)[number]}
        made = make(willing | {"variety": {"hands": sure}}, noise_of(0))
        shown = np.asarray(made.seen[0, : made.length[0]])
        assert (shown[:, RIGHT] == right).all() and (shown[:, LEFT] == left).all()
        assert shown[:, :8].all()


def test_what_is_not_shown_ends_at_nothing_as_in_training(make, params):
    head = params["seen_head"]
    hidden = params | {"seen_head": head | {"bias": head["bias"] - 50}}
    made = make(hidden, noise_of(0))
    assert made.length[0] > 0 and not made.seen.any()
    np.testing.assert_allclose(made.frames, 0, atol=1e-5)


@pytest.mark.slow
def test_learning_lowers_the_loss(batch):
    loss = dataclasses.replace(CONFIG.loss, latent=1.0)
    task = MlsfTask(dataclasses.replace(CONFIG, model=FLOW, loss=loss))
    params, found = random_params(FLOW), []
    step = jax.jit(jax.grad(functools.partial(task.loss, batch=batch), has_aux=True))
    for _ in range(12):
        grads, terms = step(params, key=jax.random.key(0))
        params = jax.tree.map(lambda p, g: p - 0.01 * g, params, grads)
        found.append({name: float(value) for name, value in terms.items()})
        parts = sum(
            getattr(loss, name) * found[-1][name]
            for name in ("velocity", "counter", "seen", "latent", "length")
        )
        np.testing.assert_allclose(found[-1]["loss"], found[-1]["frame"] + parts, rtol=1e-5)
    for name in ("loss", "latent", "length"):
        assert found[-1][name] < 0.95 * found[0][name]
    assert found[-1]["frame"] < found[0]["frame"]
    assert found[-1]["counter"] == 0
