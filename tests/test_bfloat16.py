"""Layers' arithmetic in bfloat16 has the values and gradients of the plain formulas."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from tiny import one_device

from signllm_jax.inference import pose_decoding
from signllm_jax.models.layers import bfloat16
from signllm_jax.models.layers.blocks import Dropout
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding

X = jax.random.normal(jax.random.key(0), (3, 40, 16))
BIAS = jax.random.normal(jax.random.key(1), (16,))
FORMULAS = {
    "add_bias": (bfloat16.add_bias, lambda x, b: x + b.astype(x.dtype), (X, BIAS)),
    "gelu": (bfloat16.gelu, nn.gelu, (X,)),
}


def value_and_gradients(function, x, *rest):
    weights = jnp.cos(jnp.arange(X.size)).reshape(X.shape)
    total = lambda *args: (function(*args).astype(jnp.float32) * weights).sum()  # noqa: E731
    return function(x, *rest), *jax.grad(total, range(1 + len(rest)))(x, *rest)


@pytest.mark.parametrize("name", FORMULAS)
def test_in_float32_they_are_the_plain_formulas_to_the_bit(name):
    ours, plain, args = FORMULAS[name]
    for one, other in zip(value_and_gradients(ours, *args), value_and_gradients(plain, *args)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", FORMULAS)
def test_in_bfloat16_they_are_as_near_to_float32_as_its_rounding(name):
    ours, plain, (x, *rest) = FORMULAS[name]
    x = x.astype(jnp.bfloat16)
    exact = value_and_gradients(plain, x.astype(jnp.float32), *rest)
    for one, other in zip(value_and_gradients(ours, x, *rest), exact):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one.astype(jnp.float32) / scale, other / scale, atol=2e-2)


def test_frames_of_a_row_that_share_their_draws_lose_the_same_numbers_and_rows_differ():
    x = jnp.ones((3, 40, 1000))
    with sharding.use_mesh(one_device()):
        shared = Dropout(0.1, by_row=True).apply({}, x, False, rngs={"dropout": jax.random.key(2)})
    np.testing.assert_array_equal(shared, np.broadcast_to(shared[:, :1], x.shape))
    assert (shared[0] != shared[1]).any() and (shared[1] != shared[2]).any()
    kept = 230 / 256  # a tenth, rounded to 256ths
    np.testing.assert_allclose(np.unique(shared), [0, 1 / kept], rtol=1e-6)
    assert abs(float((shared > 0).mean()) - kept) < 4 * (kept * (1 - kept) / 3000) ** 0.5


def test_a_clip_is_decoded_in_bfloat16():
    """A query per row is computed as one of several, its bias as one."""
    model = Text2Pose(tiny.MODEL, jnp.bfloat16)
    generate = functools.partial(pose_decoding.generate, model, max_frames=16)
    with sharding.use_mesh(one_device()):
        made = jax.eval_shape(generate, tiny.random_params(tiny.MODEL), text=tiny.TEXT)
    assert made.frames.shape == (3, 16, 150) and made.frames.dtype == jnp.float32
