"""The kinds of models that can be trained, and their properties."""

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any

from signllm_jax.core.errors import ConfigError

SHARED = "shared"
"""Name of the group of a model that all languages of a run share."""


@dataclasses.dataclass(frozen=True)
class TaskInfo:
    """A kind of model.

    Attributes:
        name: value of `config.task`.
        title: input and output of the model, in words.
        trainer: the `train.task.Task` as `module:name`.
        report: the function that evaluates a run as `module:name`; see `eval/dispatch.py`.
        shared: name of the group that all languages share; None: one group per language.
        reads_poses: whether the model reads clips.
        pipeline: the `inference.pipelines.Pipeline` from texts to clips as `module:name`; None
            where the model makes no clips.
    """

    name: str
    title: str
    trainer: str
    report: str
    shared: str | None = None
    reads_poses: bool = False
    pipeline: str | None = None

    @property
    def makes_poses(self) -> bool:
        """Whether the model produces clips."""
        return self.pipeline is not None

    def groups(self, languages: Sequence[str]) -> tuple[str, ...]:
        """Names of the groups of a run of these languages."""
        return (self.shared,) if self.shared else tuple(languages)


TASKS = {
    info.name: info
    for info in (
        TaskInfo(
            "mlsf",
            "text to sign language poses",
            pipeline="signllm_jax.inference.pipelines:TextPipeline",
            trainer="signllm_jax.train.mlsf:MlsfTask",
            report="signllm_jax.eval.pose_report:evaluate",
        ),
        TaskInfo(
            "back_translation",
            "sign language poses to text",
            reads_poses=True,
            trainer="signllm_jax.train.back_translation:BackTranslationTask",
            report="signllm_jax.eval.reading_report:evaluate",
        ),
        TaskInfo(
            "prompt2langgloss",
            "prompts to sign language poses",
            shared=SHARED,
            pipeline="signllm_jax.inference.pipelines:PromptPipeline",
            trainer="signllm_jax.train.prompt2langgloss:Prompt2LangGlossTask",
            report="signllm_jax.eval.prompt_report:evaluate",
        ),
        TaskInfo(
            "text2gloss",
            "text to gloss",
            shared=SHARED,
            trainer="signllm_jax.train.text2gloss:Text2GlossTask",
            report="signllm_jax.eval.text_report:evaluate",
        ),
    )
}
"""Name -> task. This is the only place that lists them."""


def shown_name(group: str) -> str:
    """The name of a group in messages: its language, or `all languages`."""
    return "all languages" if group == SHARED else group


def get_info(task: str) -> TaskInfo:
    """The entry of a task; raises ConfigError when there is no such task."""
    if task not in TASKS:
        raise ConfigError(f"config.task: {task!r} is not one of {', '.join(TASKS)}")
    return TASKS[task]


def resolve(qualified_name: str) -> Any:
    """Imports the object that `module:name` names."""
    module, _, name = qualified_name.partition(":")
    return getattr(importlib.import_module(module), name)
