"""Which signers the Priority Learning Channel draws in a corpus of many: a run per `rl.group`."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from launch.studies.runs import Bench
from launch.studies.settings import changed
from signllm_jax.core.config import Config, RLConfig
from signllm_jax.core.typing import Array
from signllm_jax.data import splits
from signllm_jax.rl import sampling
from signllm_jax.rl.replay import Replay
from signllm_jax.train.state import TrainState

GROUPS = ("none", "signer", "text")
EVERY = 10
"""Number of steps from one look at the buffer to the next."""


def described(config: Config, group: str) -> dict:
    """The settings of a run, as its record has them."""
    return {"steps": config.train.steps, "rows": config.train.batch_size, "group": group}


def measure(config: Config, group: str) -> dict:
    """Trains once with the channel and counts the signers it draws in the second half of the run.

    Args:
        config: Config of the run, on a data set whose clips name their signers.
        group: Value of `config.rl.group`.

    Returns:
        `signers` has for each signer by name the share of the clips (`clips`), the share of the
        draws by their probability (`draws`), and the share of the signer's clips below the
        threshold (`below`). `below` is that share of all clips. All are means over the looks at
        the buffer.
    """
    config = changed(config, rl={"group": group})
    data = config.data
    source = splits.open_split(data.dataset, data.languages[0], "train", data.data_dir or None)
    names = [source[index]["signer"] for index in range(len(source))]
    looks: list[dict] = []

    def watch(step: int, state: TrainState):
        if step > config.train.steps // 2 and step % EVERY == 0:
            lane = jax.tree.map(lambda x: x[0], state.replay)
            weights, example = jax.device_get(_weights(lane, state.step, config.rl))
            looks.append(shares(weights, example, names))

    def mean(key: str) -> float:
        return float(np.mean([look[key] for look in looks if key in look]))

    Bench(config).train(config, (), watch=watch)
    signers = {
        name: {part: mean(f"{part} {name}") for part in ("clips", "draws", "below")}
        for name in sorted(set(names))
    }
    return {"signers": signers, "below": mean("below")}


@functools.partial(jax.jit, static_argnums=2)
def _weights(replay: Replay, step: Array, rl: RLConfig) -> tuple[Array, Array]:
    """The weight and the example of every clip in a lane's buffer, [strata, C]."""
    weights = jax.vmap(lambda stratum: sampling.reweight(stratum, step, rl))(replay)
    return weights, replay.example


def shares(weights: np.ndarray, example: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The shares of one look at the buffer.

    Args:
        weights: Weights of the clips, int [strata, C]; 0 = the clip is never drawn.
        example: Indices of the clips in the split, int [strata, C]; -1 = an empty slot.
        names: Signer of each clip of the split.

    Returns:
        `below` and, for each signer in the buffer, `clips NAME`, `draws NAME` and `below NAME`.
    """
    probability = weights / np.maximum(weights.sum(-1, keepdims=True), 1) / len(weights)
    held = example >= 0
    signer = np.asarray(names)[example[held]]
    drawn, below = probability[held], weights[held] == 0
    figures = {"below": float(below.mean())}
    for name in set(signer):
        clips = signer == name
        figures |= {
            f"clips {name}": float(clips.mean()),
            f"draws {name}": float(drawn[clips].sum()),
            f"below {name}": float(below[clips].mean()),
        }
    return figures
