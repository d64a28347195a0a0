"""Prompts to LangGloss to poses, free-running, scored: on dev while training and for the report."""

import collections
import contextlib
import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence

from signllm_jax.artifacts.group import Group
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.core.languages import get_language
from signllm_jax.core.tasks import SHARED
from signllm_jax.core.typing import Tree
from signllm_jax.data.splits import Source
from signllm_jax.eval.eval_set import Language, add_clips
from signllm_jax.eval.figures import mean_metrics
from signllm_jax.eval.judge import Judge
from signllm_jax.inference.prompt_to_gloss import read_prompt
from signllm_jax.inference.prompt_to_pose import PromptToPose
from signllm_jax.metrics.gloss_metrics import score_lines
from signllm_jax.parallel import hosts
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import collect_statistics
from signllm_jax.text.langgloss import to_langgloss
from signllm_jax.text.language_names import abbreviations, names
from signllm_jax.text.prompt_forms import KNOWN
from signllm_jax.text.prompt_templates import NAME, SLOT
from signllm_jax.text.prompts import SPOKEN, templates

REFUSED = "<refused:->"
"""The LangGloss of a prompt that the server would refuse: its mark is no language's."""
POSES = (
    *("score", "dtw", "dtw_mean_pose_ratio", "frechet_mean_pose_ratio", "hand_travel_ratio"),
    *("duration_ratio", "joints_missing", "unproduced"),
)


def open_asked(
    split: Mapping[str, Source], train: Mapping[str, Source], layout: str, limit: int = 0
) -> dict[str, Language]:
    """The texts and clips of a split in each language that has clips of it.

    Args:
        split: Split of each language.
        train: Train split of each language.
        layout: Layout of the clips.
        limit: Greatest number of clips per language that are looked at, 0 = all.
    """
    asked = {}
    for code, clips in split.items():
        asked[code] = open_language(train[code], layout)
        add_clips(asked[code], clips, limit=limit)
    return asked


def open_language(train: Source, layout: str) -> Language:
    """A language without clips yet, with the statistics of its train split."""
    real = (train[index] for index in range(len(train)))
    return Language(train, None, collect_statistics(real, layout))


def true_line(language: Language, code: str, index: int) -> str:
    """The true LangGloss of text `index`, marked tokens joined by spaces."""
    return " ".join(to_langgloss(language.glosses[index].split(), code))


def own_spoken(language: str) -> str:
    """The spoken language of a sign language's texts, or English where it has no templates."""
    spoken = get_language(language).spoken
    return spoken if spoken in SPOKEN else "en"


def prompts_for(
    texts: Sequence[str], language: str, spoken: Sequence[str], split: str
) -> tuple[list[str], list[str | None]]:
    """Prompts from a split's templates in turn, and the language that the caller names for each.

    The caller names the sign language where the template has no place for it. The choice of the
    template does not depend on the rules that read prompts.

    Args:
        texts: Texts that are asked for; they are repeated as often as `spoken` needs.
        language: Sign language.
        spoken: Spoken language of each prompt.
        split: Split of the templates.
    """
    prompts, callers = [], []
    turn = collections.Counter()
    first = zlib.crc32(language.encode())  # sign languages begin at different templates
    for text, prompt_language in zip(itertools.cycle(texts), spoken):
        chosen = templates(prompt_language, split)
        template = chosen[(first + turn[prompt_language]) % len(chosen)]
        turn[prompt_language] += 1
        short = zlib.crc32(f"{language} {prompt_language} {text}".encode()) & 1
        name = (names(language, prompt_language), abbreviations(language))[short][0]
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
        model: Both stages of the group, compiled.
        group: Group whose text stage reads the prompts.
        params: Parameters of the group, stacked [1, ...].
        prompts: Prompts.
        callers: Sign language that the caller names for each prompt, or None.
        split: Split of the prompts' templates, which the rules that read prompts do not know here.
    """
    known = tuple(name for name in KNOWN if name != split)
    requests = {}
    for index, (prompt, caller) in enumerate(zip(prompts, callers, strict=True)):
        with contextlib.suppress(TextError, ConfigError):
            requests[index] = read_prompt(group, None, prompt, caller, known)
    glosses = dict(zip(requests, model.gloss(params, list(requests.values()))))
    return [glosses.get(index, REFUSED) for index in range(len(prompts))]


def sign_glosses(
    model: PromptToPose, params: Tree, glosses: Sequence[str], asked: Language
) -> list[tuple[PoseClip, bool]]:
    """The clips of LangGloss, and whether each ended by itself.

    Lines that the model refuses, and REFUSED, have a clip without frames.
    """
    made = model.made(params, ["" if gloss == REFUSED else gloss for gloss in glosses])
    return [
        (PoseClip(real.positions[:0], real.confidence[:0], real.fps, real.layout), True)
        if isinstance(clip, TextError)
        else clip
        for clip, real in zip(made, asked.references, strict=True)
    ]


class PromptDev:
    """The dev words of all languages, asked for with templates of dev.

    Args:
        dev: Dev split of each language.
        train: Train split of each language.
        group: Tables and statistics.
        mesh: Mesh that holds the parameters.
        config: Config of the run.
    """

    def __init__(
        self,
        dev: Mapping[str, Source],
        train: Mapping[str, Source],
        group: Group,
        mesh,
        config: Config,
    ):
        asked = open_asked(dev, train, config.data.layout, config.eval.clips)
        self._asked = {code: language for code, language in asked.items() if language.texts}
        self._judges = {
            code: Judge(language.texts, language.references, language.statistics.mean_pose)
            for code, language in self._asked.items()
            if config.text.trained != "text" and hosts.is_first()
        }
        self._group, self._trained = group, config.text.trained
        self._model = PromptToPose(group, mesh, config.eval.batch_size)
        self._last: dict[str, list[PoseClip]] = {}

    def score(self, params: Tree) -> dict[str, dict[str, float]]:
        """See `train.task.DevSet`: the mean of the languages' figures."""
        scores = []
        for code, asked in self._asked.items():
            figures, lines = {}, [true_line(asked, code, i) for i in range(len(asked.texts))]
            if self._trained != "pose":
                figures, lines = self._understood(params, code, asked)
            if self._trained != "text":
                made = sign_glosses(self._model, params, lines, asked)
                self._last[code] = [clip for clip, _ in made]
                if hosts.is_first():  # all hosts produce, the first one scores
                    figures |= self._score_poses(code)
            scores.append(figures)
        return {SHARED: mean_metrics(scores) if scores else {}}

    def _score_poses(self, code: str) -> dict[str, float]:
        """See POSES; what was not produced counts as the mean pose."""
        judge, clips = self._judges[code], self._last[code]
        figures = judge([clip if len(clip) else pose for clip, pose in zip(clips, judge.still)])
        figures["unproduced"] = sum(not len(clip) for clip in clips)
        return {name: figures[name] for name in POSES if name in figures}

    def _understood(self, params, code, asked) -> tuple[dict[str, float], list[str]]:
        """Figures of the text stage, and its lines for prompts in the first spoken language."""
        glosses, first = [line.split() for line in asked.glosses], own_spoken(code)
        foreign = itertools.cycle(spoken for spoken in SPOKEN if spoken != first)
        spoken = [first] * len(glosses) + list(itertools.islice(foreign, len(glosses)))
        prompts, callers = prompts_for(asked.corpus_texts, code, spoken, "dev")
        lines = ask_model(self._model, self._group, params, prompts, callers, "dev")
        figures = score_lines([line.split() for line in lines], glosses * 2, code)
        figures["inexact"] = 1 - figures["exact_match"]
        return figures, lines[: len(glosses)]

    def clips(self) -> Iterator[tuple[str, PoseClip, PoseClip]]:
        """The first dev text of each language, its clip as last produced, and the real one."""
        for code, clips in self._last.items():
            if len(clips[0]):
                asked = self._asked[code]
                yield f"{code}: {asked.texts[0]}", clips[0], asked.references[0]
