"""The report of a back-translation run: how well its readers read real clips of a split.

Productions that they read later cannot score better than this. The report also has the reader's
score on train, which shows memorizing, and two baselines that know nothing about signing: the text
of the nearest train clip by DTW distance, and the most frequent train text.
"""

import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.eval import pages, provenance, warnings
from signllm_jax.eval.eval_set import Language, open_texts
from signllm_jax.eval.evaluators import describe, open_evaluator, read_scores
from signllm_jax.eval.figures import character_edits, with_intervals
from signllm_jax.eval.report import ALL, MAIN, Report, report_path
from signllm_jax.metrics.pairs import score_clips
from signllm_jax.metrics.text_metrics import signatures
from signllm_jax.text.tokenizer import normalize_text

PAIRS = 5_000
"""Greatest number of pairs of clips that are compared to find the nearest train clips."""


def evaluate(
    workdir: str | os.PathLike,
    split: str = "test",
    output: str | os.PathLike | None = None,
    *,
    seed: int = 0,
    data_dir: str | None = None,
) -> dict[str, Any]:
    """Reads a split's real clips with a run's best parameters and writes the report.

    Args:
        workdir: Work directory of the run.
        split: `train`, `dev` or `test`.
        output: File of report.json; report.md is written beside it.
        seed: Seed of the bootstrap.
        data_dir: Folder of the prepared data; by default the run's.

    Returns:
        What is written to report.json. Raises as `pose_report.evaluate` does.
    """
    began = provenance.spent()
    run_dir = Workdir(workdir)
    file = report_path(run_dir, split, output)
    evaluated = open_texts(run_dir, split, data_dir)
    languages = evaluated.languages
    reader = open_evaluator(run_dir.path, tuple(languages))
    read = {code: reader.read(code, lang.references) for code, lang in languages.items()}
    readings = {
        MAIN: read,
        "nearest_train": _nearest_train(languages),
        "most_frequent": _most_frequent(languages),
    }
    rows = {
        row: _scores(texts_read, languages, evaluated.spelled, seed)
        for row, texts_read in readings.items()
        if texts_read
    }
    excluded = {code: dict(language.excluded) for code, language in languages.items()}
    rows[MAIN][ALL]["excluded"] = sum(sum(reasons.values()) for reasons in excluded.values())
    all_read = list(itertools.chain(*read.values()))
    described = describe(reader, languages, all_read, evaluated.spelled)
    run = provenance.describe_run(run_dir.path, evaluated.config, evaluated.groups, began, 0.0)
    facts = {
        "excluded": excluded,
        "skipped": evaluated.skipped,
        "misread": {
            code: [list(pair) for pair in zip(language.texts, read[code]) if pair[0] != pair[1]]
            for code, language in languages.items()
        },
        "pictures": {},
        "warnings": [warnings.memorised(described)] * described["memorised"]
        + warnings.of_skipped(evaluated.skipped)
        + warnings.of_short_lines(rows),
        **({} if evaluated.spelled else {"signatures": {"texts": signatures()}}),
        "split": split,
        "run": run | {"evaluators": [described], "evaluation_seed": seed},
    }
    return pages.write(Report(rows, facts), file)


def _scores(
    read: Mapping[str, Sequence[str]], languages: Mapping[str, Language], letters: bool, seed: int
) -> dict[str, dict[str, float]]:
    """Flat metrics of each language and, under ALL, of all clips."""
    tables = {}
    for code in (ALL, *languages):
        chosen = languages if code == ALL else [code]
        texts = [text for c in chosen for text in languages[c].texts]
        texts_read = [text for c in chosen for text in read[c]]
        right = np.array([a == b for a, b in zip(texts_read, texts)], np.float64)
        size = np.array([len(text) for text in texts], np.float64)
        ratios = {
            "cer": (character_edits(texts, texts_read), size),
            "exact_match": (right, np.ones(len(texts))),
        }
        metrics = {"clips": len(texts)} | read_scores(texts_read, texts, letters)
        tables[code] = with_intervals(metrics, [ratios], seed)
    return tables


def _nearest_train(languages: Mapping[str, Language]) -> dict[str, list[str]] | None:
    """The text of the train clip at the least DTW distance; None where it would take long."""
    if sum(len(lang.references) * len(lang.train) for lang in languages.values()) > PAIRS:
        return None
    nearest: dict[str, list[str]] = {}
    for code, language in languages.items():
        train = [language.train.clip(i) for i in range(len(language.train))]
        nearest[code] = []
        for clip in language.references:
            distance = score_clips([clip] * len(train), train, ("dtw",))["dtw"]
            best = int(np.nanargmin(np.where(np.isfinite(distance), distance, np.inf)))
            nearest[code].append(normalize_text(language.train.texts[best], code))
    return nearest


def _most_frequent(languages: Mapping[str, Language]) -> dict[str, list[str]]:
    texts = {}
    for code, language in languages.items():
        counts = Counter(normalize_text(text, code) for text in language.train.texts)
        texts[code] = [counts.most_common(1)[0][0]] * len(language.texts)
    return texts
