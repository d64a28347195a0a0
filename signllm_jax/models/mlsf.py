"""MLSF: one Text2Pose group for each language, each a lane of its own."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.config import ModelConfig
from signllm_jax.core.typing import Array, Tree
from signllm_jax.models.layers.variety import nothing_seen
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import language_axis


def init_group(config: ModelConfig, key: Array) -> Tree:
    """The parameters of one group, each in a box with its logical axes."""
    return init_poses(Text2Pose(config), key)


def init_poses(model: Text2Pose, key: Array) -> Tree:
    """The boxed parameters of a Text2Pose, whatever its texts are."""
    c = model.config
    tokens = jnp.zeros((1, 2), jnp.int32)
    patches = jnp.zeros((1, 1), jnp.int32)
    history = jnp.zeros((1, 1, c.patch * (c.frame_size - 1)))
    counter = jnp.zeros((1, 1))
    seen = nothing_seen(c.patch, c.frame_size, c.latent)
    return model.init(key, tokens, tokens, history, counter, patches, seen=seen)["params"]


def init(config: ModelConfig, key: Array, languages: tuple[str, ...]) -> Tree:
    """The parameters of all groups, stacked [L, ...], without boxes."""
    return language_axis.init(functools.partial(init_group, config), key, languages)


def abstract_group(config: ModelConfig) -> Tree:
    """Boxed shapes of one group's parameters; nothing is computed."""
    return language_axis.abstract(functools.partial(init_group, config))


def count_parameters(config: ModelConfig) -> int:
    """The number of parameters of one group."""
    leaves = jax.tree.leaves(nn.unbox(abstract_group(config)))
    return sum(int(np.prod(leaf.shape)) for leaf in leaves)
