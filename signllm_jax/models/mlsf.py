"""MLSF: one Text2Pose group for each language, stacked on a leading `language` axis.

A group's initial weights depend on the seed and on the language's code alone, so a language
trained by itself equals the same language trained among others, and adding one changes none.
(`flax.linen.vmap` derives keys from the place in the stack, hence `jax.vmap` over `init`.)
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.config import ModelConfig
from signllm_jax.languages import get_language
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.typing import Array, Tree


def language_keys(key: Array, languages: tuple[str, ...]) -> Array:
    """One random key a language [L], from its code and not from its place in the list."""
    hashes = np.array([get_language(code).stable_hash for code in languages], np.uint32)
    return jax.vmap(lambda h: jax.random.fold_in(key, h))(jnp.asarray(hashes))


def lift(function):
    """Maps a function of one language over the leading language axis of all arguments.

    The axis stays on the mesh's `language` axis in every sharding constraint inside.
    """
    return jax.vmap(function, spmd_axis_name="language")


def init_group(config: ModelConfig, key: Array) -> Tree:
    """The parameters of one group, each in a box with its logical axes."""
    model = Text2Pose(config)
    tokens = jnp.zeros((1, 2), jnp.int32)
    patches = jnp.zeros((1, 1), jnp.int32)
    history = jnp.zeros((1, 1, config.patch * (config.frame_size - 1)))
    counter = jnp.zeros((1, 1))
    return model.init(key, tokens, tokens, history, counter, patches)["params"]


def init(config: ModelConfig, key: Array, languages: tuple[str, ...]) -> Tree:
    """The parameters of all groups, stacked [L, ...], without boxes."""
    one = lambda k: nn.unbox(init_group(config, k))  # noqa: E731
    return jax.vmap(one)(language_keys(key, languages))


def abstract_group(config: ModelConfig) -> Tree:
    """Boxed shapes of one group's parameters; nothing is computed."""
    with sharding.use_shape_mesh():
        return jax.eval_shape(lambda: init_group(config, jax.random.key(0)))


def count_parameters(config: ModelConfig) -> int:
    """The number of parameters of one group."""
    leaves = jax.tree.leaves(nn.unbox(abstract_group(config)))
    return sum(int(np.prod(leaf.shape)) for leaf in leaves)
