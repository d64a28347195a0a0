"""A tiny model and synthetic batches, small enough to compile for eight devices in seconds."""

import dataclasses

import jax
import numpy as np

from signllm_jax.core.config import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)
from signllm_jax.core.languages import LANGUAGES, get_language
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.core.typing import Batch
from signllm_jax.models import mlsf
from signllm_jax.parallel import sharding

LANGUAGES = tuple(LANGUAGES)
TEXT = np.array([[5, 6, 7, 0, 0], [9, 8, 7, 6, 5], [0, 0, 0, 0, 0]], np.int32)
"""Tokens of three texts, the last without any."""
LEFT, RIGHT = (list(OPENPOSE50.groups[f"{side}_hand"]) for side in ("left", "right"))
"""The joints of a hand."""
MODEL = ModelConfig(
    vocab=64,
    width=32,
    heads=4,
    mlp=64,
    patch=4,
    encoder_layers=1,
    decoder_layers=1,
    progress_features=8,
)
DATA = DataConfig(row_frames=32, row_tokens=12, row_clips=3)
CONFIG = Config(
    data=DATA,
    model=MODEL,
    loss=LossConfig(velocity=1.0, counter=3.0, hand=2.0, noise=0.3, history_drop=0.5),
    optimizer=OptimizerConfig(learning_rate=3e-3, warmup=2),
    train=TrainConfig(steps=20, batch_size=8),
)
SGD = dataclasses.replace(
    CONFIG, optimizer=OptimizerConfig(name="sgd", learning_rate=0.1, warmup=0)
)


def one_device():
    return sharding.make_mesh({}, jax.devices()[:1])


def mesh_of(*shape):
    sizes = dict(zip(sharding.MESH_AXES, shape))
    return sharding.make_mesh(sizes, jax.devices()[: int(np.prod(shape))])


def random_params(config):
    """Parameters of one language, every weight moved off its initial value."""
    shapes = jax.eval_shape(lambda: mlsf.init(config, jax.random.key(0), ("asl",)))
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: (0.1 * random.normal(size=leaf.shape[1:])).astype(np.float32), shapes
    )


def packed_batch(languages=LANGUAGES, rows=8, seed=0):
    """A Batch of packed rows of random clips; a language's part depends on its code and the seed.

    Each row holds two or three clips of unequal lengths (no multiples of the patch), some joints
    are missing, and the row's end is padding.
    """
    made = [[_row(code, row, seed) for row in range(rows)] for code in languages]
    fields = zip(*(zip(*language) for language in made))
    return Batch(*(np.stack([np.stack(part) for part in field]) for field in fields))


def _row(code, row, seed):
    random = np.random.default_rng([seed, get_language(code).stable_hash, row])
    time, tokens, clips = DATA.row_frames, DATA.row_tokens, DATA.row_clips
    text, text_segment = np.zeros((2, tokens), np.int32)
    frames = np.zeros((time, MODEL.frame_size), np.float32)
    mask = np.zeros((time, (MODEL.frame_size - 1) // 3), bool)
    segment, position = np.zeros((2, time), np.int32)
    example = np.full(clips, -1, np.int32)
    token = frame = 0
    for clip in range(2 + row % 2):
        letters, length = random.integers(2, 5), random.integers(5, 9)
        text[token : token + letters] = random.integers(2, MODEL.vocab, letters)
        text_segment[token : token + letters] = clip + 1
        token += letters
        part = slice(frame, frame + length)
        mask[part] = random.random((length, mask.shape[1])) < 0.9
        frames[part, :-1] = random.normal(size=(length, MODEL.frame_size - 1))
        frames[part, :-1] *= np.repeat(mask[part], 3, axis=1)
        position[part] = np.arange(1, length + 1)
        frames[part, -1] = position[part] / length
        segment[part] = clip + 1
        example[clip] = clip
        frame += -(-length // MODEL.patch) * MODEL.patch
    return text, text_segment, frames, mask, segment, position, example
