"""The Python interface: load a trained run and ask it for clips."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import jax

from signllm_jax.artifacts.export import check_export
from signllm_jax.artifacts.group import Group, check_trained, load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.compile_cache import HOME, keep_programs
from signllm_jax.core.errors import CheckpointError, ConfigError, SignLLMError, TextError
from signllm_jax.core.storage import ask_for
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.prompts import read_request

BATCH = 8
"""Texts decoded together; a single text is decoded by itself."""


class Signed(NamedTuple):
    """A produced clip.

    Attributes:
        clip: the poses.
        gloss: the LangGloss that it signs, None where the model has no text stage.
    """

    clip: PoseClip
    gloss: str | None


class SignLLM:
    """Trained groups, ready to produce. Make one with `SignLLM.load`."""

    def __init__(self, groups: dict[str, Group]):
        self._groups = groups
        self._mesh = sharding.make_mesh({}, jax.devices()[:1])
        self._ready: dict[str, tuple[dict[int, Producer], object]] = {}

    @classmethod
    def load(cls, workdir: str | os.PathLike) -> "SignLLM":
        """Loads the best parameters of every language of a run, or of an export.

        `workdir` may lie on a bucket (`gs://BUCKET/FOLDER`, extra `gcs`).

        Compiled programs are kept in `$SIGNLLM_CACHE_DIR` (by default
        `~/.cache/signllm_jax/programs`; empty = not kept) unless jax has been told a place.

        Raises CheckpointError when there is no run, a group cannot be read, a file of an export is
        not what was written, or a bucket does not answer.
        """
        ask_for(workdir, CheckpointError)
        run = Workdir(workdir)
        config, languages = run.read_config()
        check_export(run)
        keep_programs(HOME)
        if config.task == "text2gloss":
            raise ConfigError(f"{os.fspath(workdir)}: a text stage makes no clips")
        if config.task == "prompt2langgloss":
            from signllm_jax.prompted import PromptedSignLLM

            return PromptedSignLLM(load_group(run.group("shared")))
        return cls({code: load_group(run.group(code)) for code in (*run.read_kept(), *languages)})

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that can be produced."""
        return tuple(self._groups)

    def produce(
        self,
        text: str | None = None,
        language: str | None = None,
        seed: int = 0,
        *,
        prompt: str | None = None,
    ) -> PoseClip:
        """Produces the clip of one text or prompt.

        Args:
            text: what to sign.
            language: code; may be left out of a run with one language, and with a prompt that
                names its language.
            seed: for models that draw at random. The present ones do not: the same text gives the
                same clip, to rounding.
            prompt: instead of a text a question for it, such as `How do you sign 'hello' in ASL?`.

        Raises:
            ConfigError: the run has no such language, or which one is meant is not said.
            TextError: the text is empty, cannot be spelled, or is longer or shorter than all that
                the model was trained on; there are both a text and a prompt, or neither; the
                prompt is not understood.
        """
        text, language = self.resolve(text, language, prompt)
        return self.produce_many([text], language, seed)[0]

    def produce_many(
        self, texts: Sequence[str], language: str | None = None, seed: int = 0
    ) -> list[PoseClip]:
        """Produces the clips of several texts of one language; errors as in `produce`.

        Texts of similar length are decoded together, since a batch takes as long as its longest
        clip; the clips come in the order of the texts.
        """
        del seed  # no present model draws
        language = self._language(language)
        producers, params = self._producers(language)
        producer = producers[BATCH if len(texts) > 1 else 1]
        tokens = [self._tokens(text, language) for text in texts]
        order = sorted(range(len(texts)), key=tokens.__getitem__)
        made = producer(params, [[texts[place] for place in order]])[0]
        clips = {place: clip for place, (clip, _) in zip(order, made)}
        return [clips[place] for place in range(len(texts))]

    def sign(self, asked: Sequence[str], language: str) -> list[Signed | SignLLMError]:
        """The clips of several requests, each by itself: what is wrong with one is its own.

        Args:
            asked: what `asked` returned for each.
            language: code of all of them.
        """
        return [Signed(clip, None) for clip in self.produce_many(asked, language)]

    def asked(
        self, text: str | None, language: str | None = None, prompt: str | None = None
    ) -> tuple[str, str]:
        """What the model is going to read, and the language; errors as in `produce`.

        That is the text. A model with a text stage reads prompts, and a text as one.
        """
        return self.resolve(text, language, prompt)

    def resolve(
        self, text: str | None, language: str | None = None, prompt: str | None = None
    ) -> tuple[str, str]:
        """The text and language that a call of `produce` means, checked; nothing is produced.

        Errors are those of `produce`.
        """
        if (text is None) == (prompt is None):
            raise TextError("give either a text or a prompt")
        if prompt is not None:
            if len(self._groups) == 1:
                language = self._language(language)
            text, language = read_request(prompt, language)
        language = self._language(language)
        self._tokens(text, language)
        return text, language

    def understood(self, text: str | None, language: str | None, prompt: str | None = None) -> str:
        """What is going to be signed, in words for a terminal; errors as in `produce`."""
        text, language = self.resolve(text, language, prompt)
        return f"{language}: {text!r}"

    def warm_up(self) -> None:
        """Compiles for all languages, so that the first clip comes as fast as the others."""
        for language in self._groups:
            producers, params = self._producers(language)
            for producer in producers.values():
                producer.warm_up(params)

    def describe(self, language: str) -> Group:
        """The language's group: its data set, limits and training step."""
        return self._groups[self._language(language)]

    def _tokens(self, text: str, language: str) -> int:
        """How many tokens a text has; raises TextError where it cannot be produced."""
        count = len(self._producers(language)[0][1].encode(text, 0))
        check_trained(self._groups[language], count, text)
        return count

    def _language(self, language: str | None) -> str:
        if language is None:
            if len(self._groups) == 1:
                return next(iter(self._groups))
            raise ConfigError(f"which language? This run has {', '.join(self._groups)}")
        if language not in self._groups:
            raise ConfigError(
                f"unknown language {language!r}: this run has {', '.join(self._groups)}"
            )
        return language

    def _producers(self, language: str):
        if language not in self._ready:
            group = self._groups[language]
            if group.params is None:
                raise CheckpointError(f"the group {language} has no parameters")
            producers = {
                rows: Producer(
                    group.model,
                    [group.tokenizer],
                    [group.statistics],
                    self._mesh,
                    tokens=group.row_tokens,
                    max_frames=group.max_frames,
                    batch_size=rows,
                )
                for rows in (1, BATCH)
            }
            params = jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
            self._ready[language] = producers, params
        return self._ready[language]
