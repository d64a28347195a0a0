"""What the loop and the step need to know of a model that is trained: one Task a kind of model."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.tasks import get_info, resolve
from signllm_jax.core.typing import Array, Batch, LineBatch, Tree
from signllm_jax.data import splits
from signllm_jax.data.batches import Batches
from signllm_jax.poses.clip import PoseClip
from signllm_jax.rl.clips import Clips


class Learning(NamedTuple):
    """What reinforcement learning asks of a loss.

    Attributes:
        importance: float32 [B, K], what every clip counts; None = 1.
        progress: float32 [], the share of the lane's steps that are made.
    """

    importance: Array | None
    progress: Array


class TrainData(Batches[Batch | LineBatch], Protocol):
    """The batches of a run, a pure function of the step; see `data/batches.py`."""

    @property
    def notes(self) -> Sequence[str]:
        """What the run should say of the data, a line each (clips that are left out)."""
        ...

    @property
    def bad(self) -> Sequence[str]:
        """What is wrong with each clip that was skipped since the start, a line each."""
        ...


class DevSet(Protocol):
    """Evaluation on dev while training."""

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """Metrics of each lane from the stacked parameters; none where a lane has no dev data.

        All hosts call it; what the first one returns counts.
        """
        ...

    def pictures(self) -> Iterator[tuple[str, np.ndarray]]:
        """Named pictures uint8 [H, W, 3] of what was last scored."""
        ...

    def clips(self) -> Iterator[tuple[str, PoseClip, PoseClip]]:
        """Texts with the clips that were last scored of them, and the real ones."""
        ...


class Task(abc.ABC):
    """A kind of model.

    Attributes:
        config: the run's.
        lead: the dev metric by which a lane's best parameters are kept; smaller is better.
        lead_title: what it is called in a sentence, and which way is better.
        unit: the loss term that counts what was learned from, for the rate shown.
        rewards: whether `loss` takes a Learning, and `clip_errors` is there.
    """

    lead: ClassVar[str]
    lead_title: ClassVar[str]
    unit: ClassVar[str] = "frames"
    rewards: ClassVar[bool] = False

    def __init__(self, config: Config):
        self.config = config

    def data_languages(self) -> tuple[str, ...]:
        """Codes of the languages that the data set has; raises DataError when it is unknown."""
        data = self.config.data
        return splits.languages(data.dataset, data.data_dir or None)

    def data_digests(self, languages: tuple[str, ...]) -> dict[str, str]:
        """Digests of the data that a run is bound to, `<language>/<split>` -> see `Source.digest`.

        Raises DataError when a split cannot be opened.
        """
        data = self.config.data
        return {
            f"{code}/{split}": splits.open_split(
                data.dataset, code, split, data.data_dir or None
            ).digest
            for code in languages
            for split in ("train", "dev")
        }

    def lanes(self, languages: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the models on the leading axis: one per language unless languages share one."""
        return get_info(self.config.task).groups(languages)

    @abc.abstractmethod
    def init_lane(self, key: Array) -> Tree:
        """The parameters of one lane, each in a box with its logical axes."""

    @abc.abstractmethod
    def loss(self, params: Tree, batch: Batch, key: Array) -> tuple[Array, dict[str, Array]]:
        """The loss of one lane, a scalar, and its terms, scalars with `unit` and `loss` among them.

        Args:
            params: of the lane.
            batch: without the leading axis.
            key: random key of step and lane.

        A task with `rewards` takes a fourth argument, a Learning; it then gives the terms
        `clip_error` float32 [B, K] too, the error of every clip.
        """

    def free_running_errors(self, params: Tree, clips: Clips) -> Array:
        """Errors [N] of clips as they are produced from their texts, in a task with `rewards`."""
        raise NotImplementedError

    def material(
        self, languages: tuple[str, ...]
    ) -> tuple[list[str], Mapping[str, Sequence[Sequence[str]]]]:
        """Train texts or prompts, and every language's lines, in a task with a text stage."""
        raise NotImplementedError

    @abc.abstractmethod
    def open_groups(self, languages: tuple[str, ...], workdir: Workdir) -> list[Group]:
        """What is frozen at step 0 for each lane, made from train where missing; writes nothing."""

    @abc.abstractmethod
    def train_data(self, languages: tuple[str, ...], groups: Sequence[Group]) -> TrainData:
        """The train batches."""

    @abc.abstractmethod
    def dev_set(
        self,
        languages: tuple[str, ...],
        groups: Sequence[Group],
        mesh,
        workdir: Workdir | None = None,
    ) -> DevSet:
        """The dev data and what scores it; a reader that is part of it is kept in `workdir`."""


def get_task(config: Config) -> Task:
    """The task of a config; raises ConfigError on an unknown one."""
    task = resolve(get_info(config.task).trainer)(config)
    if (config.rl.plc or config.rl.loss != "mse") and not task.rewards:
        raise ConfigError(f"config.rl: the task {config.task} has no rewards to learn from")
    return task
