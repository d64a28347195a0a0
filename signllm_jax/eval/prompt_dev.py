"""Prompts to LangGloss to poses, free-running, scored: on dev while training and for the report."""

import collections
import dataclasses
import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.core.languages import get_language
from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import Tree
from signllm_jax.corpora import fingerspelling
from signllm_jax.data.prompt_sampling import line_of
from signllm_jax.data.splits import Source
from signllm_jax.inference.prompt_to_gloss import read_prompt
from signllm_jax.inference.prompt_to_pose import PromptToPose
from signllm_jax.metrics.gloss_metrics import score_lines
from signllm_jax.metrics.pairs import held, score_clips, summarize
from signllm_jax.parallel import hosts
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import collect_statistics
from signllm_jax.render.figure import contact_strip
from signllm_jax.text.langgloss import split_marks, to_langgloss
from signllm_jax.text.language_names import abbreviations, names
from signllm_jax.text.prompt_forms import KNOWN
from signllm_jax.text.prompt_templates import NAME, SLOT
from signllm_jax.text.prompts import SPOKEN, templates

REFUSED = "<refused:->"
"""The LangGloss of a prompt that the server would refuse: its mark is no language's."""
SCORED = ("dtw", "hand_travel", "duration_ratio")
POSES = ("dtw", "dtw_mean_pose_ratio", "hand_travel_ratio", "duration_ratio", "unproduced")


@dataclasses.dataclass
class Asked:
    """What is asked for in one language.

    Attributes:
        texts: of the split.
        lines: their true LangGloss, marked tokens joined by spaces.
        clips: the real ones.
        mean_pose: float32 [J, 3] of the language's train clips.
    """

    texts: list[str]
    lines: list[str]
    clips: list[PoseClip]
    mean_pose: np.ndarray


def open_asked(
    split: Mapping[str, Source], train: Mapping[str, Source], layout: str, limit: int = 0
) -> dict[str, Asked]:
    """What a split asks for in every language that has clips of it; `limit` 0 = all."""
    asked = {}
    for code, data in split.items():
        count = min(limit, len(data)) if limit else len(data)
        if count:
            real = (train[code][i] for i in range(len(train[code])))
            asked[code] = Asked(
                data.texts[:count],
                [line_of(data, i) for i in range(count)],
                [data.clip(i) for i in range(count)],
                collect_statistics(real, layout).mean_pose,
            )
    return asked


def spelled_asked(words: Mapping[str, Sequence[str]], train: Mapping[str, Source], layout: str):
    """What words ask for, `Asked` by language, from the recorded letters."""
    asked = {}
    for code, own in words.items():
        real = (train[code][i] for i in range(len(train[code])))
        asked[code] = Asked(
            list(own),
            [" ".join(to_langgloss(fingerspelling.spell(word, code), code)) for word in own],
            [fingerspelling.spelled_clip(word, code) for word in own],
            collect_statistics(real, layout).mean_pose,
        )
    return asked


def own_spoken(language: str) -> str:
    """The spoken language of a sign language's texts, or English where it has no templates."""
    spoken = get_language(language).spoken
    return spoken if spoken in SPOKEN else "en"


def prompts_for(
    texts: Sequence[str], language: str, spoken: Sequence[str], split: str
) -> tuple[list[str], list[str | None]]:
    """Prompts from a split's templates in turn, and what the caller says beside each.

    The caller names the sign language where the template has no place for it. No rule that reads
    prompts has a say in which template is taken.

    Args:
        texts: what is asked for; they come again where there are fewer than spoken languages.
        language: the sign language.
        spoken: the spoken language of each prompt.
        split: of the templates.
    """
    prompts, callers = [], []
    turn = collections.Counter()
    first = zlib.crc32(language.encode())  # sign languages begin at different templates
    for text, asking in zip(itertools.cycle(texts), spoken):
        chosen = templates(asking, split)
        template = chosen[(first + turn[asking]) % len(chosen)]
        turn[asking] += 1
        short = zlib.crc32(f"{language} {asking} {text}".encode()) & 1
        name = (names(language, asking), abbreviations(language))[short][0]
        before, _, after = template.partition(SLOT)
        prompts.append(f"{before.replace(NAME, name)}{text}{after.replace(NAME, name)}")
        callers.append(None if NAME in template else language)
    return prompts, callers


def ask_model(
    model: PromptToPose,
    group: Group,
    params: Tree,
    prompts: Sequence[str],
    callers: Sequence[str | None],
    split: str,
) -> list[str]:
    """The LangGloss of prompts as the server understands them, REFUSED where it would refuse.

    Args:
        model: both stages of the group, compiled.
        group: whose text stage reads.
        params: of the group, stacked [1, ...].
        prompts: what is asked.
        callers: the sign language that a caller names beside each prompt, or None.
        split: of the prompts' templates, which the rules that read prompts do not know here.
    """
    known = tuple(name for name in KNOWN if name != split)
    requests = []
    for prompt, caller in zip(prompts, callers, strict=True):
        try:
            requests.append(read_prompt(group, None, prompt, caller, known))
        except (TextError, ConfigError):
            requests.append(None)
    glosses = iter(model.gloss(params, [request for request in requests if request]))
    return [next(glosses) if request else REFUSED for request in requests]


def sign_glosses(
    model: PromptToPose, params: Tree, glosses: Sequence[str]
) -> list[PoseClip | TextError]:
    """The clips of LangGloss, a TextError where there is none; REFUSED is not signed."""
    return model.clips(params, ["" if gloss == REFUSED else gloss for gloss in glosses])


def score_poses(asked: Asked, clips: Sequence[PoseClip | TextError]) -> dict[str, float]:
    """Figures of clips against the real ones; what was not produced counts as the mean pose."""
    still = [held(asked.mean_pose, clip) for clip in asked.clips]
    made = [clip if _has_frames(clip) else pose for clip, pose in zip(clips, still)]
    figures = summarize(score_clips(asked.clips, made, SCORED))
    figures["dtw_mean_pose_ratio"] = figures["dtw"] / float(
        np.nanmean(score_clips(asked.clips, still, SCORED)["dtw"])
    )
    figures["unproduced"] = sum(not _has_frames(clip) for clip in clips)
    return {name: figures[name] for name in POSES if name in figures}


def _has_frames(clip: PoseClip | TextError) -> bool:
    return isinstance(clip, PoseClip) and len(clip) > 0


class PromptDev:
    """The dev words of all languages, asked for with templates of dev.

    Args:
        dev, train: the splits of every language.
        group: tables and statistics.
        mesh: where the parameters lie.
        config: of the run.
    """

    def __init__(
        self,
        dev: Mapping[str, Source],
        train: Mapping[str, Source],
        group: Group,
        mesh,
        config: Config,
    ):
        self._asked = open_asked(dev, train, config.data.layout, config.eval.clips)
        self._group = group
        self._model = PromptToPose(group, mesh, config.eval.batch_size)
        self._trained = config.text.trained
        self._last: dict[str, list[PoseClip | TextError]] = {}

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """See `train.task.DevSet`: the mean of the languages' figures."""
        scores = []
        for code, asked in self._asked.items():
            figures, lines = {}, asked.lines
            if self._trained != "pose":
                figures, lines = self._understood(params, code, asked)
            if self._trained != "text":
                self._last[code] = sign_glosses(self._model, params, lines)
                if hosts.is_first():  # the others help to produce
                    figures |= score_poses(asked, self._last[code])
            scores.append(figures)
        if not scores:
            return {SHARED: {}}
        return {SHARED: {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}}

    def _understood(self, params, code, asked) -> tuple[dict[str, float], list[str]]:
        """Figures of the text stage, and what it understood in the language's own spoken one."""
        glosses = [[gloss for _, gloss in split_marks(line)] for line in asked.lines]
        own, others = own_spoken(code), [s for s in SPOKEN if s != own_spoken(code)]
        spoken = [others[i % len(others)] for i in range(len(asked.texts))]
        prompts, callers = prompts_for(asked.texts, code, [own] * len(spoken) + spoken, "dev")
        lines = ask_model(self._model, self._group, params, prompts, callers, "dev")
        figures = score_lines([line.split() for line in lines], glosses * 2, code)
        figures["inexact"] = 1 - figures["exact_match"]
        return figures, lines[: len(glosses)]

    def pictures(self) -> Iterator[tuple[str, np.ndarray]]:
        """A contact strip of each language's first dev clip as last produced, over the real one."""
        for code, clips in self._last.items():
            if _has_frames(clips[0]):
                asked = self._asked[code]
                strip = contact_strip(clips[0], asked.clips[0], text=f"{code}: {asked.texts[0]}")
                yield f"dev/{code}", np.asarray(strip)
