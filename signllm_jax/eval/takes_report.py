"""What a report says where texts have several takes: rows of real takes and their mean, figures."""

from collections.abc import Mapping, Sequence

from signllm_jax.core.config import Config
from signllm_jax.corpora.published import has_signers
from signllm_jax.eval import referees
from signllm_jax.eval.eval_set import EvalSet, Language
from signllm_jax.eval.figures import mean_metrics
from signllm_jax.eval.judge import has_takes
from signllm_jax.eval.report import ALL, MAIN, Report
from signllm_jax.eval.signers_report import conditional_mean
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
    varied = {c: each for c, each in evaluated.languages.items() if has_takes(each.texts)}
    for code, each in evaluated.languages.items() if varied else ():
        nothing: list[PoseClip | None] = [None] * len(each.texts)
        each.rows["other_take"] = each.rows["conditional_mean"] = nothing
        if code in varied:
            each.rows["other_take"] = referees.other_takes(each.texts, each.references)
            each.rows["conditional_mean"] = means(evaluated.config, code, each)


def means(config: Config, code: str, each: Language) -> list[PoseClip | None]:
    """For every text the mean of its real takes, what a squared error asks for.

    Of a spelled data set the mean over all signers, of another that of its train takes, None where
    there is none.
    """
    return _spelled(each) if has_signers(config.data.dataset) else _of_train(code, each)


def _spelled(each: Language) -> list[PoseClip | None]:
    """The mean over all signers, letter by letter: test texts are in no train split."""
    made = {text: conditional_mean(text) for text in dict.fromkeys(each.texts)}
    return [made[text] for text in each.texts]


def _of_train(code: str, each: Language) -> list[PoseClip | None]:
    """The mean of a text's train takes, None where there is none."""
    places = places_of([normalize_text(text, code) for text in each.train.texts])
    made = {}
    for text in dict.fromkeys(each.texts):
        takes = [each.train.clip(i) for i in places.get(text, ())[:MOST]]
        takes = [take for take in takes if len(take)]
        made[text] = referees.mean_take(takes) if takes else None
    return [made[text] for text in each.texts]


def add_figures(
    evaluated: EvalSet, rows: Mapping[str, Mapping[str, dict[str, float]]]
) -> Mapping[str, Mapping[str, dict[str, float]]]:
    """Adds to the tables of a report, where a language has takes, the figures of `referees`.

    Args:
        evaluated: with its rows.
        rows: row -> language, or ALL -> flat metrics, which are changed.
    """
    varied = {c: each for c, each in evaluated.languages.items() if has_takes(each.texts)}
    for code, each in varied.items():
        real = real_variety(each.texts, each.references)
        for row in ROWS.keys() & rows.keys():
            found = _figures(each.texts, each.references, each.rows[row], real)
            rows[row][code].update({n: x for n, x in found.items() if n in referees.FIGURES})
    for row in ROWS.keys() & rows.keys() if varied else ():
        parts = [rows[row][code] for code in varied]
        names = {name for part in parts for name in part} & {*referees.FIGURES}
        overall = mean_metrics([{n: x for n, x in p.items() if n in names} for p in parts])
        rows[row][ALL].update({n: x for n, x in overall.items() if n not in rows[row][ALL]})
    return rows


def _figures(
    texts: Sequence[str],
    references: Sequence[PoseClip],
    clips: Sequence[PoseClip | None],
    real: Mapping[str, float],
) -> dict[str, float]:
    there = {i: clip for i, clip in enumerate(clips) if clip is not None and len(clip)}
    if not there:
        return {}
    whole = len(there) == len(clips)
    return referees.figures(
        [texts[i] for i in there],
        [references[i] for i in there],
        list(there.values()),
        real if whole else None,
    )


def section(report: Report) -> list[str]:
    """The part of a page that tells rows with several takes per text, where there are any."""
    if "dtw_expected" not in report.flat():
        return []
    rows = [(name, report.rows[row][ALL]) for row, name in ROWS.items() if row in report.rows]
    return [
        "## Beside several takes of a text",
        catalogue.table("", referees.FIGURES, [(name, metrics) for name, metrics in rows]),
        "Over the languages with several takes per text. Which figure sees which fault: "
        "`docs/referees.md`.",
    ]
