"""Clips are packed into rows, and stores are read and written, as plain code does it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from signllm_jax.rl import stores
from signllm_jax.rl.clips import place

LIMITS = {"frames": 32, "tokens": 12, "clips": 4}


def plainly_placed(sizes, rows, frames, tokens, clips):
    """Rows, first frames, first tokens and numbers of clips one after the other; who is first to
    find no room."""
    row, at, found = 0, np.zeros(3, int), []
    limits = np.array([frames, tokens, clips])
    for index, size in enumerate(sizes.T):
        if (at + size > limits).any():
            row, at = row + 1, np.zeros(3, int)
        if row == rows or (size > limits).any():
            return found, index
        found.append((row if size.any() else rows, *at))
        at = at + size
    return found, sizes.shape[1]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_clips_are_packed_in_their_order_until_one_finds_no_room(rows):
    random = np.random.default_rng(rows)
    pack = jax.jit(functools.partial(place, rows=rows, **LIMITS))
    for longest in (8, 20, 34):
        length = random.integers(0, longest, 5 * rows) * (random.random(5 * rows) < 0.9)
        words = random.integers(1, 5, 5 * rows)
        sizes = np.array([-(-length // 4) * 4, words, np.ones_like(words)]) * (length > 0)
        expected, first = plainly_placed(sizes, rows, **LIMITS)
        places, found = pack(jnp.asarray(sizes))
        assert found == first
        for name, values in zip(places._fields, zip(*expected)):
            kept = (length[: len(values)] > 0) | (name == "row")
            np.testing.assert_array_equal(
                getattr(places, name)[: len(values)][kept], np.array(values)[kept], err_msg=name
            )
        assert (places.row[first:] == rows).all()


@pytest.mark.parametrize("shape", [(3, 2, 5), (1, 1, 5), (2, 1, 5, 4)])
def test_stores_laid_end_to_end_give_and_take_what_mapped_ones_do(shape):
    """What a TPU is given instead of a mapped gather or scatter."""
    random = np.random.default_rng(0)
    store = jnp.asarray(random.normal(size=shape), jnp.float32)
    at = jnp.asarray([random.permutation(9)[:6] - 2 for _ in range(shape[0] * shape[1])])
    at = at.reshape(*shape[:2], 6)
    values = jnp.asarray(random.normal(size=(*shape[:2], 6, *shape[3:])), jnp.float32)
    taken = stores._fetch_joined(store[:, 0], at[:, 0])
    put_in = stores._put_joined(store[:, 0], at[:, 0], values[:, 0])
    np.testing.assert_array_equal(taken, jax.vmap(jax.vmap(stores.fetch))(store, at)[:, 0])
    expected = np.array(store)
    for lane, stratum in np.ndindex(*shape[:2]):
        for index, value in zip(at[lane, stratum], values[lane, stratum]):
            if 0 <= index < shape[2]:
                expected[lane, stratum, index] = value
    np.testing.assert_array_equal(jax.vmap(jax.vmap(stores.put))(store, at, values), expected)
    np.testing.assert_array_equal(put_in, expected[:, 0])
