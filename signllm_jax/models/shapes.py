"""The shapes that a group's parameters must have, so that sizes that are told are true."""

import functools
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from signllm_jax.core.config import ModelConfig, ReadingConfig, TextConfig
from signllm_jax.core.typing import Tree
from signllm_jax.models import mlsf, prompt2langgloss
from signllm_jax.models.pose2text import Pose2Text
from signllm_jax.models.text2gloss import Text2Gloss
from signllm_jax.parallel import language_axis
from signllm_jax.text.source_tokens import columns
from signllm_jax.text.stage import TextStage


def difference(
    params: Tree, model: ModelConfig, stage: TextStage | None, reading: ReadingConfig | None
) -> str | None:
    """The first parameter that a model has not, or has in another shape; None where all are its.

    Args:
        params: nested parameters, read from a file.
        model: sizes.
        stage: of models that have one.
        reading: of readers of poses, None of all others.
    """
    if not isinstance(params, dict) or not _named(params):
        return "they are no parameters"
    layers = model.encoder_layers + model.decoder_layers
    if stage is not None:
        layers = stage.config.encoder_layers + stage.config.decoder_layers
    if layers > len(jax.tree.leaves(params)):  # before so many are built
        return f"there are fewer arrays than {layers} layers have"
    if stage is not None:
        expected = _of_stage(model, stage.config, "pose_stage" in params)
    else:
        expected = _of_poses(model) if reading is None else _of_reader(model, reading)
    expected, held = _leaves(expected), _leaves(params)
    for name in (*expected, *held):
        if name not in held:
            return f"{name} is missing"
        if name not in expected:
            return f"{name[:80]!r} is unknown"
        wanted, leaf = expected[name], held[name]
        if not isinstance(leaf, np.ndarray):
            return f"{name} is no array, not {wanted.dtype}{list(wanted.shape)}"
        if (leaf.shape, leaf.dtype) != (wanted.shape, wanted.dtype):
            actual = f"{leaf.dtype}{list(leaf.shape)}"
            return f"{name} is {actual}, not {wanted.dtype}{list(wanted.shape)}"
    return None


def _leaves(tree: Tree) -> dict[str, Any]:
    """The leaves by their paths, names with slashes between them."""
    return flax.traverse_util.flatten_dict(tree, sep="/")


def _named(tree: Tree) -> bool:
    """Whether all keys are texts: a tree with others cannot be sorted."""
    if not isinstance(tree, dict):
        return True
    return all(isinstance(name, str) and _named(leaf) for name, leaf in tree.items())


@functools.lru_cache(maxsize=16)
def _of_poses(model: ModelConfig) -> Tree:
    return _shapes(functools.partial(mlsf.init_group, model))


@functools.lru_cache(maxsize=16)
def _of_reader(model: ModelConfig, reading: ReadingConfig) -> Tree:
    def init(key):
        frames = jnp.zeros((1, model.patch, model.frame_size - 1))
        steps, tokens = jnp.ones((1, model.patch), jnp.int32), jnp.ones((1, 2), jnp.int32)
        return Pose2Text(model, reading).init(key, frames, steps, tokens, tokens)["params"]

    return _shapes(init)


@functools.lru_cache(maxsize=16)
def _of_stage(model: ModelConfig, text: TextConfig, with_poses: bool) -> Tree:
    def init(key):
        if with_poses:
            return prompt2langgloss.init_lane(model, text, key, key)
        units, line = jnp.zeros((1, 2, columns(text)), jnp.int32), jnp.zeros((1, 2), jnp.int32)
        return Text2Gloss(model, text).init(key, units, line, line, line)["params"]

    return _shapes(init)


def _shapes(init) -> Tree:
    return nn.unbox(language_axis.abstract(init))
