"""Checksums of every array of a train state, computed on the devices that hold it."""

import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.typing import Tree


def checksums(tree: Tree) -> dict[str, list[int]]:
    """Path of every array -> its two 32-bit checksums, which do not depend on the mesh.

    They are computed on the devices that hold the array, in one pass over its memory: the bits and
    the index of each element are mixed and summed modulo 2^32, in any order.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    # one after the other: programs with collectives must not wait for each other's devices
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): _replicated_checksum(leaf)
        for path, leaf in leaves
    }


def _replicated_checksum(x: jax.Array) -> list[int]:
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        x = jax.random.key_data(x)
    replicated = None
    if isinstance(x.sharding, jax.sharding.NamedSharding):
        replicated = jax.sharding.NamedSharding(x.sharding.mesh, jax.sharding.PartitionSpec())
    return np.asarray(jax.jit(_checksum, out_shardings=replicated)(x)).tolist()


def _checksum(x: jax.Array) -> jax.Array:
    if x.dtype == jnp.bool_:
        x = x.astype(jnp.uint8)
    bits = jax.lax.bitcast_convert_type(x, f"uint{8 * x.dtype.itemsize}").astype(jnp.uint32)
    index, stride = jnp.zeros(x.shape, jnp.uint32), 1
    for axis in reversed(range(x.ndim)):  # not a reshape, which would gather a sharded array
        index += jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis) * jnp.uint32(stride)
        stride = stride * x.shape[axis] % (1 << 32)
    mixed = _mix(bits ^ _mix(index + jnp.uint32(0x9E3779B9)))
    return jnp.stack([mixed.sum(dtype=jnp.uint32), _mix(mixed).sum(dtype=jnp.uint32)])


def _mix(x: jax.Array) -> jax.Array:
    """The finalizer of MurmurHash3, in which every bit affects all others."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def verify(tree: Tree, saved: dict[str, list[int]]) -> None:
    """Raises ValueError if an array differs from the saved checksums; names the first one."""
    for name, sums in checksums(tree).items():
        if saved.get(name) != sums:
            raise ValueError(f"{name} is not what was saved")
