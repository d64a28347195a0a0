"""Lanes: models of their own side by side, stacked on a leading axis over the mesh's `language`.

In MLSF a lane is a language; a shared model is a single lane. A lane's initial weights and draws
depend on the seed and on the lane's name alone, so a lane trained by itself equals the same lane
trained among others, and adding one changes none. (`flax.linen.vmap` derives keys from the place
in the stack, hence `jax.vmap` over `init`.)
"""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.languages import stable_hash
from signllm_jax.core.typing import Array, Tree
from signllm_jax.parallel import sharding


def keys(key: Array, lanes: Sequence[str]) -> Array:
    """One random key a lane [L], from its name and not from its place in the list."""
    hashes = np.array([stable_hash(name) for name in lanes], np.uint32)
    return jax.vmap(lambda h: jax.random.fold_in(key, h))(jnp.asarray(hashes))


def lift(function: Callable) -> Callable:
    """Maps a function of one lane over the leading axis of all arguments.

    Every sharding constraint inside keeps the axis on the mesh's `language` axis. Only within
    `sharding.on_own_languages`, where a device sees no lanes but its own, it lies on no mesh axis.
    """
    if "language" in jax.sharding.get_abstract_mesh().manual_axes:
        return jax.vmap(function)
    return jax.vmap(function, spmd_axis_name="language")


def hold(function: Callable, *held: Tree) -> Callable:
    """`lift` of a function whose first arguments never change, for loops that call it repeatedly.

    A single lane's first arguments lose their leading axis here, once: `lift` would have XLA slice
    all of them in every iteration.

    Args:
        function: of one lane's arguments, without a leading axis.
        held: the first arguments, stacked [L, ...].

    Returns:
        A function of the other positional arguments, stacked [L, ...], and of keywords that all
        lanes share; its result is stacked too.
    """
    if len(jax.tree.leaves(held)[0]) > 1:
        return lambda *args, **shared: lift(functools.partial(function, **shared))(*held, *args)
    held_of_lane = jax.tree.map(lambda x: x[0], held)

    def run(*args, **shared):
        result = function(*held_of_lane, *jax.tree.map(lambda x: x[0], args), **shared)
        return jax.tree.map(lambda x: x[None], result)

    return run


def init(init_lane: Callable[[Array], Tree], key: Array, lanes: Sequence[str]) -> Tree:
    """The parameters of all lanes, stacked [L, ...], without boxes.

    Args:
        init_lane: from a key to the boxed parameters of one lane.
        key: random key.
        lanes: their names.
    """
    return jax.vmap(lambda k: nn.unbox(init_lane(k)))(keys(key, lanes))


def abstract(init_lane: Callable[[Array], Tree]) -> Tree:
    """Boxed shapes of one lane's parameters; nothing is computed."""
    with sharding.use_shape_mesh():
        return jax.eval_shape(lambda: init_lane(jax.random.key(0)))
