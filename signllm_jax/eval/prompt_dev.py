"""Prompts to LangGloss to poses, free-running, scored: on dev while training and for the report."""

import collections
import dataclasses
import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config
from signllm_jax.core.errors import TextError
from signllm_jax.core.languages import get_language
from signllm_jax.core.typing import Tree
from signllm_jax.corpora import fingerspelling
from signllm_jax.data.prompt_sampling import LANE, LineTokenizer, line_of
from signllm_jax.data.splits import Source
from signllm_jax.eval import judge
from signllm_jax.inference.prompt_to_gloss import understand
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.metrics.gloss_metrics import score_lines
from signllm_jax.metrics.pairs import held, score_clips, summarize
from signllm_jax.models.prompt2langgloss import pose_params, text_params
from signllm_jax.parallel import hosts
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import collect_statistics
from signllm_jax.render.figure import contact_strip
from signllm_jax.text.langgloss import split_marks, to_langgloss
from signllm_jax.text.language_names import abbreviations, names
from signllm_jax.text.prompt_forms import KNOWN
from signllm_jax.text.prompt_templates import NAME, SLOT
from signllm_jax.text.prompts import SPOKEN, question, templates

REFUSED = ["<refused:->"]
"""The line of a prompt whose sign language the rules do not find: its mark is no language's."""
SCORED = ("dtw", "hand_travel", "duration_ratio", "joints_missing")
POSES = (
    "score",
    "dtw",
    "dtw_mean_pose_ratio",
    "hand_travel_ratio",
    "duration_ratio",
    "joints_missing",
    "unproduced",
)


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


def read_as(prompt: str, caller: str | None, split: str) -> tuple[str, str | None]:
    """What `produce` would ask the text stage for a prompt, and the sign language it would sign.

    The language is None where it would refuse. The rules know the templates of other splits than
    the one that the prompt is from.
    """
    try:
        return question(prompt, caller, tuple(s for s in KNOWN if s != split))[:2]
    except TextError:
        return prompt, None


class PromptModel:
    """Both stages of a group, compiled: prompts to LangGloss, and LangGloss to clips."""

    def __init__(self, group: Group, mesh, config: Config):
        self._group = group
        self._translator = Translator(group.model, group.text_stage, mesh, config.eval.batch_size)
        self._producer = Producer(
            group.model,
            [LineTokenizer(group.text_stage)],
            [group.statistics],
            mesh,
            tokens=group.row_tokens,
            max_frames=group.max_frames,
            batch_size=config.eval.batch_size,
            languages=group.text_stage.config.languages,
        )

    def lines(
        self, params: Tree, prompts: Sequence[str], callers: Sequence[str | None]
    ) -> list[list[str]]:
        """The LangGloss of prompts; see `Translator`. `params` are stacked [1, ...]."""
        return self._translator(text_params(params), prompts, callers)

    def understood(
        self,
        params: Tree,
        prompts: Sequence[str],
        callers: Sequence[str | None],
        split: str,
    ) -> list[list[str]]:
        """The LangGloss of prompts as `produce` understands them, REFUSED where it would refuse.

        `split` is that of the prompts' templates.
        """
        read = [read_as(p, caller, split) for p, caller in zip(prompts, callers, strict=True)]
        lines = [REFUSED] * len(read)
        known = [i for i, (_, language) in enumerate(read) if language]
        asked = [list(column) for column in zip(*(read[i] for i in known))] or ([], [])
        dataset = self._group.dataset
        found = understand(self._translator, dataset, text_params(params), *asked)
        for i, line in zip(known, found):
            lines[i] = line
        return lines

    def clips(self, params: Tree, lines: Sequence[str]) -> list[PoseClip]:
        """The clips of LangGloss lines; one that is too long, refused or empty has no frames."""
        most = self._group.row_tokens
        tokenizer = LineTokenizer(self._group.text_stage)
        lines = ["" if line == REFUSED[0] else line for line in lines]
        fitting = [line if len(tokenizer.encode(line)) <= most else "" for line in lines]
        return [clip for clip, _ in self._producer(pose_params(params), [fitting])[0]]


def score_poses(asked: Asked, clips: Sequence[PoseClip]) -> dict[str, float]:
    """Figures of clips against the real ones; what was not produced counts as the mean pose."""
    still = [held(asked.mean_pose, clip) for clip in asked.clips]
    made = [clip if len(clip) else pose for clip, pose in zip(clips, still)]
    figures = summarize(score_clips(asked.clips, made, SCORED))
    figures["dtw_mean_pose_ratio"] = figures["dtw"] / float(
        np.nanmean(score_clips(asked.clips, still, SCORED)["dtw"])
    )
    figures["score"] = judge.score(figures)
    figures["unproduced"] = sum(not len(clip) for clip in clips)
    return {name: figures[name] for name in POSES if name in figures}


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
        self._model = PromptModel(group, mesh, config)
        self._trained = config.text.trained
        self._last: dict[str, list[PoseClip]] = {}

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """See `train.task.DevSet`: the mean of the languages' figures."""
        scores = []
        for code, asked in self._asked.items():
            figures, lines = {}, asked.lines
            if self._trained != "pose":
                figures, lines = self._understood(params, code, asked)
            if self._trained != "text":
                self._last[code] = self._model.clips(params, lines)
                if hosts.is_first():  # the others help to produce
                    figures |= score_poses(asked, self._last[code])
            scores.append(figures)
        if not scores:
            return {LANE: {}}
        return {LANE: {name: float(np.mean([s[name] for s in scores])) for name in scores[0]}}

    def _understood(self, params, code, asked) -> tuple[dict[str, float], list[str]]:
        """Figures of the text stage, and what it understood in the language's own spoken one."""
        glosses = [[gloss for _, gloss in split_marks(line)] for line in asked.lines]
        own, others = own_spoken(code), [s for s in SPOKEN if s != own_spoken(code)]
        spoken = [others[i % len(others)] for i in range(len(asked.texts))]
        prompts, callers = prompts_for(asked.texts, code, [own] * len(spoken) + spoken, "dev")
        lines = self._model.understood(params, prompts, callers, "dev")
        figures = score_lines(lines, glosses * 2, code)
        figures["inexact"] = 1 - figures["exact_match"]
        return figures, [" ".join(line) for line in lines[: len(glosses)]]

    def pictures(self) -> Iterator[tuple[str, np.ndarray]]:
        """A contact strip of each language's first dev clip as last produced, over the real one."""
        for code, clips in self._last.items():
            if len(clips[0]):
                asked = self._asked[code]
                strip = contact_strip(clips[0], asked.clips[0], text=f"{code}: {asked.texts[0]}")
                yield f"dev/{code}", np.asarray(strip)
