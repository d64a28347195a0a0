"""A policy gradient over samples of the latent."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import MODEL, one_device

from signllm_jax.models import generation, mlsf
from signllm_jax.models.layers.variety import HANDS
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.rl import latent_policy

LATENT = dataclasses.replace(MODEL, latent=3)
TEXT = np.array([[5, 6, 7], [8, 9, 0]], np.int32)


@pytest.fixture(scope="module")
def model():
    init = jax.jit(lambda key: nn.meta.unbox(mlsf.init_group(LATENT, key)))
    with sharding.use_mesh(one_device()):
        return Text2Pose(LATENT), init(jax.random.key(0))


def test_a_texts_samples_are_held_against_each_other():
    found = latent_policy.advantages(jnp.array([[1.0, 2.0, 6.0], [4.0, 4.0, 4.0]]))
    np.testing.assert_allclose(found, [[-3.0, -1.5, 4.5], [0.0, 0.0, 0.0]])


def test_a_reader_that_is_sure_of_the_text_gives_it_all_and_a_clip_too_short_the_least():
    path = np.array([5, 0, 6, 7])
    logits = 50.0 * jax.nn.one_hot(path, 10)[None].repeat(2, 0)
    padding = np.array([[0, 0, 0, 0], [0, 1, 1, 1]], np.float32)
    found = latent_policy.log_probability(logits, padding, TEXT[:1].repeat(2, 0))
    np.testing.assert_allclose(found, [0.0, latent_policy.LOWEST], atol=1e-3)
    other = latent_policy.log_probability(logits[:1], padding[:1], TEXT[1:])
    assert other[0] == latent_policy.LOWEST


def test_samples_follow_their_noise_and_end_as_they_say(model):
    module, params = model
    noise = jax.random.normal(jax.random.key(2), (2, generation.draws(LATENT)))
    sample = jax.jit(lambda noise: latent_policy.sample(module, params, TEXT, noise, 16))
    with sharding.use_mesh(one_device()):
        frames, length, latent = sample(noise)
        other = sample(noise.at[1].add(3.0))
    assert frames.shape == (2, 16, MODEL.frame_size - 1) and latent.shape == (2, 1, 3 + len(HANDS))
    np.testing.assert_allclose(frames[0], other[0][0], atol=1e-6)
    assert np.abs(latent[1] - other[2][1]).max() > 0.1
    for clip, end in zip(frames, length):
        assert not np.asarray(clip[end:]).any()


def test_what_was_better_becomes_likelier_and_nothing_but_the_latents_policy_moves(model):
    module, params = model
    latent = jnp.concatenate([jnp.full((2, 1, 3), 0.7), jax.nn.one_hot([[1], [2]], len(HANDS))], -1)

    @jax.jit
    def found(params):
        def loss(params, advantage):
            return latent_policy.surrogate(module, params, TEXT, latent, advantage)

        grads = jax.grad(loss)(params, jnp.array([1.0, -1.0]))
        moved = jax.tree.map(lambda p, g: p - 0.05 * g, params, grads)
        chances = [[-loss(p, a) for a in jnp.eye(2)] for p in (params, moved)]
        return grads, jnp.array(chances)

    with sharding.use_mesh(one_device()):
        grads, (before, after) = found(params)
    assert after[0] > before[0] and after[1] < before[1]
    moved = {path[0].key for path, leaf in jax.tree_util.tree_leaves_with_path(grads) if leaf.any()}
    assert moved == {"variety"}
