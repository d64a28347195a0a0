"""The part of a report about texts with several takes: rows of real takes, their mean, figures."""

from collections.abc import Mapping, Sequence

from signllm_jax.core.config import Config
from signllm_jax.corpora.published import has_signers
from signllm_jax.eval import referees
from signllm_jax.eval.eval_set import EvalSet, Language
from signllm_jax.eval.figures import mean_metrics
from signllm_jax.eval.judge import has_takes
from signllm_jax.eval.report import ALL, MAIN, Report
from signllm_jax.eval.signers_report import conditional_means
from signllm_jax.metrics import catalogue
from signllm_jax.metrics.variety import places_of, real_variety
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.tokenizer import normalize_text

ROWS = {
    "other_take": "another real take",
    "conditional_mean": "mean of real takes",
    MAIN: "**produced**",
    "mean_pose": "mean pose held",
}
"""Rows of the table."""
MOST = 48
"""Greatest number of train takes in a mean."""


def add_rows(evaluated: EvalSet) -> None:
    """Adds the rows of another real take and of the mean of takes, where a language has takes."""
    varied = _varied(evaluated)
    for code, language in evaluated.languages.items() if varied else ():
        others = taken = [None] * len(language.texts)
        if code in varied:
            others = referees.other_takes(language.texts, language.references)
            taken = means(evaluated.config, code, language)
        language.rows |= {"other_take": others, "conditional_mean": taken}


def _varied(evaluated: EvalSet) -> dict[str, Language]:
    """The languages with several takes per text."""
    return {c: lang for c, lang in evaluated.languages.items() if has_takes(lang.texts)}


def means(config: Config, code: str, language: Language) -> Sequence[PoseClip | None]:
    """For every text the mean of its real takes: no other clip has a smaller squared error.

    In a spelled data set with several signers, whose test texts are in no train split, it is the
    mean of the clips in which each signer spells the text. In every other data set it is the mean
    of the text's first MOST train takes, None where it has none.
    """
    if has_signers(config.data.dataset):
        return conditional_means(language.texts)
    indices = places_of([normalize_text(text, code) for text in language.train.texts])
    mean_takes = {}
    for text in dict.fromkeys(language.texts):
        clips = [language.train.clip(i) for i in indices.get(text, ())[:MOST]]
        clips = [clip for clip in clips if len(clip)]
        mean_takes[text] = referees.mean_take(clips) if clips else None
    return [mean_takes[text] for text in language.texts]


def add_figures(evaluated: EvalSet, rows: Mapping[str, Mapping[str, dict[str, float]]]) -> None:
    """Adds to the tables of a report, where a language has takes, the figures of `referees`.

    Args:
        evaluated: Languages with their rows of clips.
        rows: Row -> language, or ALL -> flat metrics, which are changed.
    """
    varied, shown = _varied(evaluated), ROWS.keys() & rows.keys()
    for code, language in varied.items():
        real = real_variety(language.texts, language.references)
        for row in shown:
            rows[row][code].update(_figures(language, row, real))
    for row in shown if varied else ():
        parts = [{n: x for n, x in rows[row][c].items() if n in referees.FIGURES} for c in varied]
        rows[row][ALL].update(mean_metrics(parts) | rows[row][ALL])


def _figures(language: Language, row: str, real: Mapping[str, float]) -> dict[str, float]:
    """The figures of the clips of a row that have frames, against the real takes."""
    made = enumerate(language.rows[row])
    clips = {i: clip for i, clip in made if clip is not None and len(clip)}
    if not clips:
        return {}
    figures = referees.figures(
        [language.texts[i] for i in clips],
        [language.references[i] for i in clips],
        list(clips.values()),
        real if len(clips) == len(language.texts) else None,
    )
    return {name: figures[name] for name in referees.FIGURES if name in figures}


def section(report: Report) -> list[str]:
    """The section of a page about the rows with several takes per text, where there are any."""
    if "dtw_expected" not in report.flat():
        return []
    rows = [(name, report.rows[row][ALL]) for row, name in ROWS.items() if row in report.rows]
    return [
        "## Beside several takes of a text",
        catalogue.table("", referees.FIGURES, rows),
        "Over the languages with several takes per text. Which figure sees which fault: "
        "`docs/referees.md`.",
    ]
