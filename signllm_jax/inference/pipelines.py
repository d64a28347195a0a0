"""From a user's text or prompt to clips: one pipeline per kind of model that makes poses."""

import functools
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

import jax

from signllm_jax.artifacts.group import Group, check_trained
from signllm_jax.core.errors import CheckpointError, TextError
from signllm_jax.core.typing import Tree
from signllm_jax.corpora.published import is_spelled
from signllm_jax.inference.letter_times import with_cues, with_gloss
from signllm_jax.inference.prompt_to_gloss import read_prompt
from signllm_jax.inference.prompt_to_pose import PromptToPose
from signllm_jax.inference.request import EITHER, Request, Signed, choose_language, only_language
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.join import join_clips
from signllm_jax.text.prompts import read_request
from signllm_jax.text.spelling import spelled_parts

BATCH = 8
"""Requests decoded together; a single request is decoded by itself."""
_SIZES = (1, BATCH)
_FEW = 3  # clips that a CPU makes one by one: a batch costs as much however few are in it
PAUSE = 0.4
"""Seconds between the clips that a longer text is made of."""
LONGEST = 200
"""Letters and pauses of a text that is spelled: more than two minutes."""


class Pipeline(Protocol):
    """The methods of a model that `api.SignLLM` calls.

    Attributes:
        groups: Language code -> the group that produces clips of the language.
    """

    groups: Mapping[str, Group]

    def read(self, text: str | None, prompt: str | None, language: str | None) -> Request:
        """Checks a text or a prompt, one of which is None; see `SignLLM.read`."""
        ...

    def gloss(self, requests: Sequence[Request]) -> Sequence[str | None]:
        """The LangGloss of requests: '' where nothing is understood, None without a text stage."""
        ...

    def sign(self, requests: Sequence[Request]) -> Sequence[Signed | TextError]:
        """The clips of requests; a request that cannot be signed has an error in its place."""
        ...

    def warm_up(self) -> None:
        """Compiles, or loads what has been compiled."""


class TextPipeline:
    """One group per language, which reads texts (MLSF).

    Args:
        groups: Language code -> group with parameters.
    """

    def __init__(self, groups: Mapping[str, Group]):
        self.groups, self._mesh = groups, _one_device()
        self._few = _FEW if self._mesh.devices.flat[0].platform == "cpu" else 1
        self._prepared = functools.cache(self._prepare)  # languages are prepared when first used

    def _prepare(self, language: str) -> tuple[dict[int, Producer], Tree]:
        group = self.groups[language]
        params = _stacked(group)
        return {size: Producer([group], self._mesh, size) for size in _SIZES}, params

    def read(self, text: str | None, prompt: str | None, language: str | None) -> Request:
        """See Pipeline."""
        has = tuple(self.groups)
        if prompt is not None:
            text, language = read_request(prompt, language or only_language(has))
        if text is None:
            raise TextError(EITHER)
        language = choose_language(has, language)
        parts = self._parts(text, language)
        spells = self.groups[language].needed_tokenizer.kind == "letters"
        if spells and len(" ".join(parts)) > LONGEST:
            raise TextError(
                f"{text[:40]!r}: a clip spells at most {LONGEST} letters, "
                "ask for its sentences one by one",
                "long",
            )
        for part in parts:
            count = len(self._prepared(language)[0][1].encode(part, 0))
            check_trained(self.groups[language], count, part)
        return Request(language, text, " ".join(parts))

    def _parts(self, text: str, language: str) -> list[str]:
        """The parts of a text that become a clip each, no longer than the texts in training."""
        group = self.groups[language]
        _, most = group.trained_tokens or (0, 0)
        return spelled_parts(text, group.needed_tokenizer, most)

    def gloss(self, requests: Sequence[Request]) -> list[None]:
        """See Pipeline."""
        return [None] * len(requests)

    def sign(self, requests: Sequence[Request]) -> list[Signed]:
        """See Pipeline.

        Texts of similar length are decoded together, since a batch takes as long as its longest
        clip. A model that spells words makes one clip per word if it has not learned pauses;
        otherwise a clip has as many words as fit into the longest train text.
        """
        made: dict[int, list[PoseClip]] = {}
        for code in dict.fromkeys(request.language for request in requests):
            group = self.groups[code]
            parts = [
                (i, part)
                for i, request in enumerate(requests)
                if request.language == code
                for part in self._parts(request.model_input, code)
            ]
            producers, params = self._prepared(code)
            producer = producers[1 if len(parts) <= self._few else BATCH]
            order = sorted(range(len(parts)), key=lambda k: len(producer.encode(parts[k][1], 0)))
            draws = [requests[parts[k][0]].draw for k in order]
            texts = [parts[k][1] for k in order]
            clips = producer(params, [texts], [draws])[0]
            durations = producer.durations(params, texts)
            for k, (clip, _), frames in sorted(zip(order, clips, durations), key=itemgetter(0)):
                i, text = parts[k]
                ids = producer.encode(text, 0)
                clip = with_cues(clip, ids, group.needed_tokenizer, group.signs, frames)
                made.setdefault(i, []).append(clip)
        return [Signed(join_clips(made[i], PAUSE), None) for i in range(len(requests))]

    def warm_up(self) -> None:
        """See Pipeline."""
        for language in self.groups:
            producers, params = self._prepared(language)
            for producer in producers.values():
                producer.warm_up(params)


class PromptPipeline:
    """One group that all languages share, which reads prompts (Prompt2LangGloss).

    Args:
        groups: Name of the shared group -> the group with parameters.
    """

    def __init__(self, groups: Mapping[str, Group]):
        (group,) = groups.values()
        self._group, self._params = group, _stacked(group)
        self.groups = dict.fromkeys(group.needed_text_stage.vocabulary.languages, group)
        mesh = _one_device()
        self._models = {size: PromptToPose(group, mesh, size) for size in _SIZES}

    def read(self, text: str | None, prompt: str | None, language: str | None) -> Request:
        """See Pipeline."""
        return read_prompt(self._group, text, prompt, language)

    def gloss(self, requests: Sequence[Request]) -> list[str]:
        """See Pipeline."""
        return self._models[_size(requests)].gloss(self._params, requests)

    def sign(self, requests: Sequence[Request]) -> list[Signed | TextError]:
        """See Pipeline."""
        model = self._models[_size(requests)]
        glosses = model.gloss(self._params, requests)
        clips = model.clips(self._params, glosses, [request.draw for request in requests])
        spelled = is_spelled(self._group.dataset)
        answers: list[Any] = [*clips]
        made = [i for i, clip in enumerate(clips) if not isinstance(clip, TextError)]
        durations = model.durations(self._params, [glosses[i] for i in made])
        for i, frames in zip(made, durations, strict=True):
            answers[i] = Signed(with_gloss(answers[i], glosses[i], spelled, frames), glosses[i])
        return answers

    def warm_up(self) -> None:
        """See Pipeline."""
        for model in self._models.values():
            model.warm_up(self._params)


def _size(requests) -> int:
    return BATCH if len(requests) > 1 else 1


def _one_device():
    return sharding.make_mesh({}, jax.devices()[:1])


def _stacked(group: Group) -> Tree:
    """The parameters with a leading axis of 1, on the device."""
    if group.params is None:
        raise CheckpointError(f"the group {group.language} has no parameters")
    return jax.device_put(jax.tree.map(lambda leaf: leaf[None], group.params))
