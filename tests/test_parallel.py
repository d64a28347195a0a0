"""The decoder that says the length first and then all patches at once."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec
from tiny import CONFIG, MODEL, mesh_of, one_device, packed_batch

from signllm_jax.aot.collectives import cross_language_bytes
from signllm_jax.core.config import Config, read_config, to_dict
from signllm_jax.core.errors import ConfigError
from signllm_jax.inference import pose_decoding
from signllm_jax.models import mlsf
from signllm_jax.models.text2pose import Text2Pose, teacher_forcing
from signllm_jax.parallel import sharding
from signllm_jax.rl import policy
from signllm_jax.train.mlsf import MlsfTask

pytestmark = pytest.mark.usefixtures("cheap_compiles", "mesh")
PARALLEL = dataclasses.replace(MODEL, decoder="parallel", latent=3)
MODULE = Text2Pose(PARALLEL)
TEXT = np.array([[5, 6, 7, 0, 0], [9, 8, 7, 6, 5], [0, 0, 0, 0, 0]], np.int32)


@pytest.fixture(scope="module")
def mesh():
    with sharding.use_mesh(one_device()) as mesh:
        yield mesh


@pytest.fixture(scope="module")
def params():
    return filled(PARALLEL)


def filled(sizes):
    """Parameters of a group, drawn at random; nothing is compiled for it."""
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.float32(0.2 * random.normal(size=leaf.shape)),
        nn.unbox(mlsf.abstract_group(sizes)),
    )


def lasting(params, frames):
    """Parameters with which every token lasts so many frames."""
    head = jax.tree.map(jnp.zeros_like, params["token_frames"])
    return params | {"token_frames": head | {"bias": head["bias"] + np.log(frames / 10)}}


@jax.jit
def generate(params, noise):
    return pose_decoding.generate(MODULE, params, TEXT, 20, noise)


def test_a_clip_is_one_pass_as_long_as_its_tokens_last(params):
    noise = np.zeros((3, 3), np.float32)
    made = generate(lasting(params, 2.6), noise)
    assert made.length.tolist() == [8, 13, 0] and made.ended.tolist() == [True, True, False]
    for frames, length in zip(made.frames, made.length):
        assert frames[:length].any(-1).all() and not frames[length:].any()
    long = generate(lasting(params, 6.0), noise)
    assert long.length.tolist() == [18, 20, 0] and long.ended.tolist() == [True, False, False]
    other = generate(lasting(params, 2.6), noise + 1)
    assert np.abs(other.frames - made.frames)[0, :8].max() > 1e-4


def test_the_length_is_that_of_text_and_latent(params):
    noise = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    moved = params | {"token_frames": params["token_frames"] | {"bias": np.full(1, -1.5)}}
    one, other = generate(moved, noise), generate(moved, -3 * noise)
    assert one.length[:2].tolist() != other.length[:2].tolist()


def test_nothing_is_left_of_a_loop_over_frames(params):
    text = str(jax.make_jaxpr(lambda p: pose_decoding.generate(MODULE, p, TEXT, 20))(params))
    assert "while[" not in text and "scan[" not in text
    causal = Text2Pose(dataclasses.replace(PARALLEL, decoder="autoregressive"))
    own = filled(causal.config)
    text = str(jax.make_jaxpr(lambda p: pose_decoding.generate(causal, p, TEXT, 20))(own))
    assert "while[" in text


@pytest.mark.slow
def test_languages_on_a_mesh_generate_without_a_word_between_them(params):
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.01 * leaf]), lasting(params, 2.6))
    texts = np.tile(np.stack([TEXT[:2], TEXT[:2, ::-1]]), (1, 2, 1))
    noise = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)

    def generate(params, noise):
        return pose_decoding.generate_lanes(MODULE, params, texts, 20, noise)

    together, spread = jax.jit(generate)(two, noise), mesh_of(2, 1, 4, 1)
    own = NamedSharding(spread, PartitionSpec("language"))
    with sharding.use_mesh(spread):
        args = jax.device_put((two, noise), own)
        made = jax.jit(generate, out_shardings=own).lower(*args).compile()
        apart = made(*args)
    assert cross_language_bytes(made.as_text(), spread) == 0
    for one, other in zip(together, apart):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-5)


def test_a_rollout_makes_what_is_generated(params):
    params = lasting(params, 2.6)
    noise = np.zeros((3, 3), np.float32)
    latent = MODULE.apply({"params": params}, TEXT, (TEXT > 0) * 1, 1, method="prior").mean
    roll = jax.jit(lambda p: policy.rollout(MODULE, p, TEXT, 5, latent=latent))
    frames, _, counter, length = roll(params)
    made = generate(params, noise)
    assert length[:2].tolist() == made.length[:2].tolist()
    np.testing.assert_allclose(frames[0, :8], made.frames[0, :8], atol=1e-5)
    np.testing.assert_allclose(counter[0, :8], np.arange(1, 9) / 8, rtol=1e-6)


def test_a_packed_clip_sees_all_of_itself_and_nothing_else(params):
    batch = jax.tree.map(lambda field: field[0], packed_batch(("asl",), rows=1))
    history, counter, segment = teacher_forcing(batch.frames, batch.segment, PARALLEL.patch)
    latent = np.zeros((1, CONFIG.data.row_clips, 3), np.float32)

    @jax.jit
    @jax.jacrev
    def by_counter(counter):
        text = batch.text, batch.text_segment
        made = MODULE.apply({"params": params}, *text, history, counter, segment, latent=latent)
        return jnp.square(made.frames).reshape(*segment.shape, -1).sum(-1)

    reached = np.abs(by_counter(counter))[0, :, 0] > 1e-7
    real = segment[0] > 0
    same = (segment[0][:, None] == segment[0]) & real & real[:, None]
    np.testing.assert_array_equal(reached[real][:, real], same[real][:, real])
    assert same.sum() > real.sum()  # clips of several patches


def test_it_learns_poses_and_lengths(params):
    batch = jax.tree.map(lambda field: field[0], packed_batch(("asl",), rows=2))
    task = MlsfTask(dataclasses.replace(CONFIG, model=PARALLEL))
    step = jax.jit(jax.grad(lambda p, k: task.loss(p, batch, k), has_aux=True))
    found = []
    for key in jax.random.split(jax.random.key(0), 12):
        grads, terms = step(params, key)
        norm = optax.tree.norm(grads)
        params = jax.tree.map(lambda p, g, n=norm: p - 0.1 * g / n, params, grads)
        found.append([float(terms[name]) for name in ("frame", "counter")])
    first, last = found[0], found[-1]
    assert last[0] < 0.95 * first[0] and last[1] < 0.8 * first[1]


def test_a_kernel_attends_to_the_past_alone():
    config = to_dict(Config()) | {"model": to_dict(Config())["model"] | {"decoder": "parallel"}}
    assert read_config(config).model.decoder == "parallel"
    config["model"]["attention"] = "splash"
    with pytest.raises(ConfigError, match="a decoder that is parallel has xla alone"):
        read_config(config)
