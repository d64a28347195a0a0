"""Whom the Priority Learning Channel draws where many signers spell: a run for each `rl.group`."""

import dataclasses
import functools
from collections.abc import Sequence

import jax
import numpy as np

from launch.studies.runs import Bench
from signllm_jax.core.config import Config, RLConfig
from signllm_jax.core.typing import Array
from signllm_jax.data import splits
from signllm_jax.rl import sampling
from signllm_jax.rl.replay import Replay
from signllm_jax.train.state import TrainState

GROUPS = ("none", "signer", "text")
EVERY = 10
"""Steps from one look at the buffer to the next."""


def told(config: Config, group: str) -> dict:
    """What a run of these was."""
    return {"steps": config.train.steps, "rows": config.train.batch_size, "group": group}


def measure(config: Config, group: str) -> dict:
    """Trains once with the channel and says whom it draws in the second half of the run.

    Args:
        config: of the run, of a data set whose clips name their signers.
        group: of `config.rl`.

    Returns:
        `signers`, for each by name: its share of the clips, of the draws (as expected by their
        probability), and how many of its clips are below the threshold; and `below`, that share of
        all clips. Means over the looks at the buffer.
    """
    config = dataclasses.replace(config, rl=dataclasses.replace(config.rl, group=group))
    data = config.data
    source = splits.open_split(data.dataset, data.languages[0], "train", data.data_dir or None)
    names = [source[index]["signer"] for index in range(len(source))]
    looks: list[dict] = []

    def watch(step: int, state: TrainState):
        if step > config.train.steps // 2 and step % EVERY == 0:
            lane = jax.tree.map(lambda x: x[0], state.replay)
            weights, example = jax.device_get(_weights(lane, state.step, config.rl))
            looks.append(shares(weights, example, names))

    Bench(config).train(config, (), watch=watch)
    mean = functools.partial(_mean, looks)
    signers = {
        name: {part: mean(f"{part} {name}") for part in ("clips", "draws", "below")}
        for name in sorted(set(names))
    }
    return {"signers": signers, "below": mean("below")}


@functools.partial(jax.jit, static_argnums=2)
def _weights(replay: Replay, step: Array, rl: RLConfig) -> tuple[Array, Array]:
    """The weight and the example of every clip in a lane's buffer, [strata, C]."""
    weights = jax.vmap(lambda one: sampling.reweight(one, step, rl))(replay)
    return weights, replay.example


def shares(weights: np.ndarray, example: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The shares of one look at the buffer.

    Args:
        weights: int [strata, C] of the clips; 0 = it is not drawn.
        example: int [strata, C], their places in the split, -1 = an empty slot.
        names: the signer of each clip of the split.

    Returns:
        `below` and, for each signer in the buffer, `clips NAME`, `draws NAME` and `below NAME`.
    """
    probability = weights / np.maximum(weights.sum(-1, keepdims=True), 1) / len(weights)
    held = example >= 0
    signer = np.asarray(names)[example[held]]
    drawn, below = probability[held], weights[held] == 0
    found = {"below": float(below.mean())}
    for name in set(signer):
        own = signer == name
        found |= {
            f"clips {name}": float(own.mean()),
            f"draws {name}": float(drawn[own].sum()),
            f"below {name}": float(below[own].mean()),
        }
    return found


def _mean(looks: Sequence[dict], key: str) -> float:
    return float(np.mean([look[key] for look in looks if key in look]))
