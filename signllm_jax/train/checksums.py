"""Checksums of every array of a train state, computed where the array lies."""

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.typing import Tree


def checksums(tree: Tree) -> dict[str, list[int]]:
    """Two 32-bit checksums of every array by its path: the same on every mesh, exact.

    Computed where the arrays lie, so that it costs one pass over the memory at any size: each
    element's bits and place are mixed and summed modulo 2^32, which no order of summing changes.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    # one after the other: programs with collectives must not wait for each other's devices
    sums = [jax.device_get(_checksum_everywhere(_plain(leaf))) for _, leaf in leaves]
    return {_path(path): np.asarray(pair).tolist() for (path, _), pair in zip(leaves, sums)}


def _checksum_everywhere(x: jax.Array) -> jax.Array:
    place = None
    if isinstance(x.sharding, jax.sharding.NamedSharding):
        place = jax.sharding.NamedSharding(x.sharding.mesh, jax.sharding.PartitionSpec())
    return jax.jit(_checksum, out_shardings=place)(x)


def _checksum(x: jax.Array) -> jax.Array:
    if x.dtype == jnp.bool_:
        x = x.astype(jnp.uint8)
    bits = jax.lax.bitcast_convert_type(x, f"uint{8 * x.dtype.itemsize}").astype(jnp.uint32)
    place, stride = jnp.zeros(x.shape, jnp.uint32), 1
    for axis in reversed(range(x.ndim)):  # not a reshape, which would gather a sharded array
        place += jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis) * jnp.uint32(stride)
        stride = stride * x.shape[axis] % (1 << 32)
    mixed = _mix(bits ^ _mix(place + jnp.uint32(0x9E3779B9)))
    return jnp.stack([mixed.sum(dtype=jnp.uint32), _mix(mixed).sum(dtype=jnp.uint32)])


def _mix(x: jax.Array) -> jax.Array:
    """The last lines of MurmurHash3, which spread every bit over all others."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def _plain(leaf) -> jax.Array:
    return jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


def _path(path) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def verify(tree: Tree, saved: dict[str, list[int]]) -> None:
    """Raises ValueError naming the first array whose checksums are not the saved ones."""
    for name, found in checksums(tree).items():
        if saved.get(name) != found:
            raise ValueError(f"{name} is not what was saved")
