"""Gathers and scatters along a first axis, in the form that costs a TPU least.

Of single numbers: comparisons with every place, which are one operation where a gather or scatter
is three. Of whole clips: index gathers and scatters that stay plain ones when they are mapped. A
mapped gather has a batch axis, of which the TPU compiler makes a loop over the indices; of
stores laid end to end it makes none. (The CPU compiler is the other way about: it copies a store
that is laid out anew.) Where the mapped axis is split over devices, map inside of
`sharding.on_own_rows`, or the partitioner fetches the others' stores.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Int, Num, Shaped

from signllm_jax.core.typing import Array


def pick(store: Num[Array, " C"], at: Int[Array, " N"]) -> Num[Array, " N"]:
    """Numbers store [C] at int32 [N]: [N], 0 where that is outside of 0..C - 1."""
    return jnp.where(at[:, None] == jnp.arange(len(store)), store, 0).sum(-1, dtype=store.dtype)


def _fetch(store, at):
    return jnp.take(store, at, axis=0, mode="clip")


def _put(store, at, values):
    return store.at[jnp.where(at < 0, len(store), at)].set(values, mode="drop")


@jax.custom_batching.custom_vmap
def fetch(store: Shaped[Array, "C ..."], at: Int[Array, " N"]) -> Shaped[Array, "N ..."]:
    """store [C, ...] at int32 [N], held inside of 0..C - 1: [N, ...]."""
    return _fetch(store, at)


@jax.custom_batching.custom_vmap
def put(
    store: Shaped[Array, "C ..."], at: Int[Array, " N"], values: Shaped[Array, "N ..."]
) -> Shaped[Array, "C ..."]:
    """store [C, ...] with values [N, ...] at int32 [N]; one outside of 0..C - 1 is dropped."""
    return _put(store, at, values)


@fetch.def_vmap
def _fetch_each(count, mapped, *args):
    args = _each(count, mapped, args)
    return jax.lax.platform_dependent(*args, cpu=jax.vmap(_fetch), default=_fetch_joined), True


@put.def_vmap
def _put_each(count, mapped, *args):
    args = _each(count, mapped, args)
    return jax.lax.platform_dependent(*args, cpu=jax.vmap(_put), default=_put_joined), True


def _fetch_joined(stores, at):
    """`fetch` mapped over M stores [M, C, ...] at int32 [M, N], by one gather of all stores."""
    index = jnp.clip(at, 0, stores.shape[1] - 1) + _offsets(stores)
    values = fetch(_join(stores), index.reshape(-1))
    return values.reshape(*at.shape, *stores.shape[2:])


def _put_joined(stores, at, values):
    """`put` mapped over M stores [M, C, ...] at int32 [M, N], by one scatter into all stores."""
    inside = (at >= 0) & (at < stores.shape[1])
    index = jnp.where(inside, at + _offsets(stores), stores.shape[0] * stores.shape[1])
    return put(_join(stores), index.reshape(-1), _join(values)).reshape(stores.shape)


def _join(stores):
    """Stores [M, C, ...] laid end to end: [M C, ...]."""
    return stores.reshape(-1, *stores.shape[2:])


def _offsets(stores):
    """Where each of M stores begins among all laid end to end, int32 [M, 1]."""
    return jnp.arange(len(stores), dtype=jnp.int32)[:, None] * stores.shape[1]


def _each(count, mapped, args):
    """The arguments of a batching rule, with those that are not mapped repeated `count` times."""
    return [
        x if is_mapped else jnp.broadcast_to(x, (count, *x.shape))
        for x, is_mapped in zip(args, mapped)
    ]
