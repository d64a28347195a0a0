"""The Python interface: load a trained run and ask it for clips."""

import os
from collections.abc import Sequence

import jax

from signllm_jax.errors import CheckpointError, ConfigError
from signllm_jax.group import Group, load_group
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.produce import Producer
from signllm_jax.workdir import Workdir


class SignLLM:
    """Trained groups, ready to produce. Make one with `SignLLM.load`."""

    def __init__(self, groups: dict[str, Group]):
        self._groups = groups
        self._mesh = sharding.make_mesh({}, jax.devices()[:1])
        self._ready: dict[str, tuple[Producer, object]] = {}

    @classmethod
    def load(cls, workdir: str | os.PathLike) -> "SignLLM":
        """Loads the best parameters of every language of a run.

        Raises CheckpointError when there is no run, or a group cannot be read.
        """
        _, languages = Workdir(workdir).read_config()
        return cls({code: load_group(Workdir(workdir).group(code)) for code in languages})

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that can be produced."""
        return tuple(self._groups)

    def produce(self, text: str, language: str) -> PoseClip:
        """Produces the clip of one text; the same text gives the same clip.

        Raises:
            ConfigError: the run has no such language.
            TextError: the text is empty, too long, or cannot be spelled.
        """
        return self.produce_many([text], language)[0]

    def produce_many(self, texts: Sequence[str], language: str) -> list[PoseClip]:
        """Produces the clips of several texts of one language; errors as in `produce`."""
        producer, params = self._producer(language)
        return [clip for clip, _ in producer(params, [texts])[0]]

    def _producer(self, language: str):
        if language not in self._groups:
            raise ConfigError(
                f"unknown language {language!r}: this run has {', '.join(self._groups)}"
            )
        if language not in self._ready:
            group = self._groups[language]
            if group.params is None:
                raise CheckpointError(f"the group {language} has no parameters")
            producer = Producer(
                group.model,
                [group.tokenizer],
                [group.statistics],
                self._mesh,
                tokens=group.row_tokens,
                max_frames=group.max_frames,
                batch_size=1,
            )
            params = jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
            self._ready[language] = producer, params
        return self._ready[language]
