"""Attention of one query: to a cache and itself, and as products of matrices in bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import one_device

from signllm_jax.models.layers.attention import Attention
from signllm_jax.parallel import sharding

WIDTH, HEADS, STEPS = 32, 4, 10


@pytest.fixture(scope="module", params=[jnp.float32, jnp.bfloat16])
def attend(request):
    """What is attended to [2, 10, 32], and attention with weights of its own."""
    module = Attention(WIDTH, HEADS, dtype=request.param)
    memory = jax.random.normal(jax.random.key(0), (2, STEPS, WIDTH), request.param)
    with sharding.use_mesh(one_device()):
        params = module.init(jax.random.key(1), memory, method=_first)
        run = jax.jit(
            lambda x, keys_values, mask, own: module.apply(
                params, x, keys_values, mask, new_keys_values=own, method="__call__"
            )
        )
        keys_values = module.apply(params, memory, method="keys_values")
        yield memory, keys_values, run


def _first(module, memory):
    return module(memory, module.keys_values(memory), jnp.ones((2, STEPS, STEPS), bool))


def test_a_query_attends_alone_as_it_does_among_many(attend):
    memory, keys_values, run = attend
    mask = jnp.tri(STEPS, dtype=bool)[None].repeat(2, 0)
    many = run(memory, keys_values, mask, None)
    alone = [run(memory[:, i : i + 1], keys_values, mask[:, i : i + 1], None) for i in range(STEPS)]
    close = 1e-5 if memory.dtype == jnp.float32 else 3e-2
    assert alone[0].shape == (2, 1, WIDTH) and alone[0].dtype == memory.dtype
    np.testing.assert_allclose(np.concatenate(alone, 1), many, atol=close)


def test_a_query_sees_itself_beside_the_cache_as_if_it_stood_in_it(attend):
    memory, keys_values, run = attend
    mask = jnp.arange(STEPS)[None, None].repeat(2, 0) < 6
    own = jax.tree.map(lambda x: x[:, :, 6:7], keys_values)
    beside = run(memory[:, 6:7], keys_values, mask, own)
    within = run(memory[:, 6:7], keys_values, mask.at[:, :, 6].set(True), None)
    close = 1e-5 if memory.dtype == jnp.float32 else 3e-2
    np.testing.assert_allclose(
        np.asarray(beside, np.float32), np.asarray(within, np.float32), atol=close
    )
