"""What the loop and the step need to know about a model: one Task for each kind of model."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

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
from signllm_jax.train import groups


class Learning(NamedTuple):
    """What reinforcement learning passes to a loss.

    Attributes:
        importance: float32 [B, K], weight of every clip; None = 1.
        progress: float32 [], share of the lane's steps that are done.
    """

    importance: Array | None
    progress: Array


class TrainData(Batches[Batch | LineBatch], Protocol):
    """The batches of a run, a pure function of the step; see `data/batches.py`."""

    @property
    def notes(self) -> Sequence[str]:
        """Lines to log about the data, such as the number of clips left out."""
        ...

    @property
    def bad(self) -> Sequence[str]:
        """One line for each clip skipped since the start: what is wrong with it."""
        ...


class DevSet(Protocol):
    """Evaluation on dev during training; by default it has no clips to show."""

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """Metrics of each lane; none for a lane without dev data.

        All hosts call it; only the result of the first one is used.

        Args:
            params: Stacked parameters on the mesh.
        """
        ...

    def clips(self) -> Iterator[tuple[str, PoseClip, PoseClip]]:
        """Titles `language: text`, the clips that were scored last, and the real clips."""
        return iter(())


class Task(abc.ABC):
    """A kind of model.

    Attributes:
        config: Config of the run.
        lead: Dev metric that selects the best parameters of a lane; lower is better.
        lead_title: Name of the metric in a sentence, and which direction is better.
        unit: Loss term that counts the trained units (such as frames), for the rate shown.
        rewards: Whether `loss` takes a Learning and there are `free_running_errors`.
    """

    lead: ClassVar[str]
    lead_title: ClassVar[str]
    unit: ClassVar[str] = "frames"
    rewards: ClassVar[bool] = False

    def __init__(self, config: Config):
        self.config = config

    def data_languages(self) -> tuple[str, ...]:
        """Codes of the languages in the data set; raises DataError if the data set is unknown."""
        return splits.languages(self.config.data.dataset, self.config.data.data_dir)

    def open_splits(self, languages: Sequence[str], split: str) -> dict[str, splits.Source]:
        """Language -> its split of the data set; raises DataError if one cannot be opened."""
        data = self.config.data
        return {
            code: splits.open_split(data.dataset, code, split, data.data_dir) for code in languages
        }

    def data_digests(self, languages: tuple[str, ...]) -> dict[str, str]:
        """The data that a run is bound to: `<language>/<split>` -> `Source.digest`.

        Raises DataError if a split cannot be opened.
        """
        return {
            f"{code}/{split}": source.digest
            for split in ("train", "dev")
            for code, source in self.open_splits(languages, split).items()
        }

    def lanes(self, languages: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the models on the leading axis: one per language unless languages share one."""
        return get_info(self.config.task).groups(languages)

    @abc.abstractmethod
    def init_lane(self, key: Array) -> Tree:
        """The parameters of one lane, each boxed with its logical axes."""

    @abc.abstractmethod
    def loss(self, params: Tree, batch: Batch, key: Array) -> tuple[Array, dict[str, Array]]:
        """The loss of one lane, a scalar, and its terms, scalars that include `unit` and `loss`.

        A task with `rewards` takes a fourth argument, a Learning. Its terms then include
        `clip_error` float32 [B, K], the error of every clip.

        Args:
            params: Parameters of the lane.
            batch: Batch without the leading axis.
            key: Random key of step and lane.
        """

    def free_running_errors(self, params: Tree, clips: Clips) -> Array:
        """Errors [N] of clips produced from their texts; only in a task with `rewards`."""
        raise NotImplementedError

    def material(
        self, languages: tuple[str, ...]
    ) -> tuple[list[str], Mapping[str, Sequence[Sequence[str]]]]:
        """Train texts or prompts, and the lines of every language; only with a text stage."""
        raise NotImplementedError

    def open_groups(self, languages: tuple[str, ...], workdir: Workdir) -> list[Group]:
        """The frozen group of each lane, made from train if it is missing; writes nothing."""
        return groups.open_groups(self.config, languages, workdir)

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
        """The dev data and its scorer; a reader that scores clips is saved in `workdir`."""


def get_task(config: Config) -> Task:
    """The task of a config; raises ConfigError if it is unknown."""
    task = resolve(get_info(config.task).trainer)(config)
    if (config.rl.plc or config.rl.loss != "mse") and not task.rewards:
        raise ConfigError(f"config.rl: the task {config.task} has no rewards to learn from")
    return task
