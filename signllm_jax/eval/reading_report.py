"""The report of a back-translation run: how well its readers read real clips of a split.

This is the ceiling of whatever they judge afterwards. Beside it stand the reader's own score on
train, which shows memorising, and two readers that know nothing of signing: the text of the nearest
train clip by DTW distance, and the most frequent train text.
"""

import functools
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from signllm_jax.artifacts.group import write_file
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.languages import get_language
from signllm_jax.eval import provenance, report_text, report_warnings
from signllm_jax.eval.eval_set import Language, open_languages
from signllm_jax.eval.evaluators import describe, open_evaluator
from signllm_jax.eval.figures import character_edits, interval
from signllm_jax.metrics.pairs import score_clips
from signllm_jax.metrics.text_metrics import SHORT, error_rates, score_texts, signatures
from signllm_jax.text.tokenizer import normalize_text

PAIRS = 5_000
"""The nearest train clip is not looked for where that would be more pairs of clips than this."""

_COLUMNS = {
    "clips": ("clips", "{:d}"),
    "exact_match": ("exact", "{:.1%}"),
    "accuracy": ("accuracy", "{:.1%}"),
    "cer": ("CER", "{:.1%}"),
    "wer": ("WER", "{:.1%}"),
    "bleu4": ("BLEU-4", "{:.2f}"),
    "bleu1": ("BLEU-1", "{:.2f}"),
    "rouge_l": ("ROUGE", "{:.2f}"),
    "chrf": ("chrF", "{:.2f}"),
}
_ROWS = {
    "nearest_train": "nearest train clip by DTW",
    "most_frequent": "most frequent train text",
}


def evaluate_reader(
    workdir: Workdir,
    config: Config,
    split: str,
    output: os.PathLike,
    *,
    seed: int = 0,
    data_dir: str | None = None,
) -> dict:
    """Reads a split's real clips with a run's best parameters and writes the report.

    Args:
        workdir: of the run.
        config: of the run.
        split: `train`, `dev` or `test`.
        output: report.json; report.md is written beside it.
        seed: of the bootstrap.
        data_dir: of the prepared data; by default the run's.

    Returns:
        What is written to report.json. Raises as `report.evaluate` does.
    """
    began = provenance.spent()
    languages, skipped = open_languages(workdir, split, data_dir)
    letters = config.text.kind == "letters"
    reader = open_evaluator(workdir.path, tuple(languages))
    read = {code: reader.read(code, each.references) for code, each in languages.items()}
    score = functools.partial(_scores, letters=letters, seed=seed)
    tables = {"read": score(read, languages)}
    nearest = _nearest_train(languages)
    if nearest:
        tables["nearest_train"] = score(nearest, languages)
    tables["most_frequent"] = score(_most_frequent(languages), languages)
    named = describe(reader, languages, [t for c in languages for t in read[c]], letters)
    excluded = {code: dict(each.excluded) for code, each in languages.items()}
    run = provenance.describe_run(
        workdir.path, config, {c: each.group for c, each in languages.items()}, began, 0.0
    )
    report = {
        "overall": tables["read"][""] | {"excluded": sum(map(_total, excluded.values()))},
        "languages": {code: tables["read"][code] for code in languages},
        "rows": {
            row: {"overall": table[""], "languages": {c: table[c] for c in languages}}
            for row, table in tables.items()
            if row != "read"
        },
        "excluded": excluded,
        "skipped": skipped,
        "misread": {
            code: [list(pair) for pair in zip(each.texts, read[code]) if pair[0] != pair[1]]
            for code, each in languages.items()
        },
        "pictures": {},
        "warnings": _warnings(named, skipped),
        "split": split,
        **({} if letters else {"signatures": signatures()}),
        "run": run | {"evaluators": [named], "evaluation_seed": seed},
    }
    write_file(output, json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False).encode())
    write_file(output.with_suffix(".md"), _markdown(report).encode())
    return report


def _total(reasons: Mapping[str, int]) -> int:
    return sum(reasons.values())


def _scores(
    read: Mapping[str, Sequence[str]], languages: Mapping[str, Language], letters: bool, seed: int
) -> dict[str, dict[str, float]]:
    """Flat metrics of each language and, under '', of all clips."""
    tables = {}
    for code in ("", *languages):
        chosen = languages if code == "" else [code]
        texts = [text for c in chosen for text in languages[c].texts]
        found = [text for c in chosen for text in read[c]]
        metrics = error_rates(found, texts) if letters else score_texts(found, texts)[0]
        ones = np.ones(len(texts))
        right = np.array([a == b for a, b in zip(found, texts)], np.float64)
        size = np.array([len(text) for text in texts], np.float64)
        for name, top, bottom in (
            ("cer", character_edits(texts, found), size),
            ("exact_match", right, ones),
        ):
            if bounds := interval(top, bottom, seed):
                metrics[f"{name}_low"], metrics[f"{name}_high"] = bounds
        tables[code] = {"clips": len(texts)} | metrics
    return tables


def _nearest_train(languages: Mapping[str, Language]) -> dict[str, list[str]] | None:
    """The text of the train clip at the least DTW distance; None where it would take long."""
    if sum(len(each.references) * len(each.train) for each in languages.values()) > PAIRS:
        return None
    found: dict[str, list[str]] = {}
    for code, each in languages.items():
        train = [each.train.clip(i) for i in range(len(each.train))]
        found[code] = []
        for clip in each.references:
            distance = score_clips([clip] * len(train), train, ("dtw",))["dtw"]
            best = int(np.nanargmin(np.where(np.isfinite(distance), distance, np.inf)))
            found[code].append(normalize_text(each.train.texts[best], code))
    return found


def _most_frequent(languages: Mapping[str, Language]) -> dict[str, list[str]]:
    found = {}
    for code, each in languages.items():
        counts = Counter(normalize_text(text, code) for text in each.train.texts)
        found[code] = [counts.most_common(1)[0][0]] * len(each.texts)
    return found


def _warnings(named: Mapping, skipped: Mapping[str, str]) -> list[str]:
    found = []
    if named["memorised"]:
        found.append(report_warnings.memorised(named))
    return found + [f"{code} is skipped: {why}." for code, why in skipped.items()]


def _scored(report: Mapping) -> list[str]:
    """How the texts were scored, and why BLEU-4 may be absent."""
    if "signatures" not in report:
        return []
    lacking = "" if "bleu4" in report["overall"] else f" BLEU-4 has no meaning: {SHORT}."
    told = report["signatures"]
    return [f"BLEU and chrF by sacrebleu: `{told['bleu']}`, `{told['chrf']}`.{lacking}"]


def _markdown(report: Mapping) -> str:
    run = report["run"]
    names = {code: f"{get_language(code).name} ({code})" for code in report["languages"]}
    rows = [(name, report["languages"][code]) for code, name in names.items()]
    rows.append(("**all clips**", report["overall"]))
    rows += [(_ROWS[row], table["overall"]) for row, table in report["rows"].items()]
    parts = [
        f"# {run['name']} on {run['dataset']}, {report['split']}",
        f"{report['overall']['clips']} real clips read; no text and no length reaches the reader. "
        "In brackets: 95% bootstrap interval over clips.",
        *(f"> **Note.** {line}" for line in report["warnings"]),
        report_text.table("", _COLUMNS, rows, intervals=True),
        *_scored(report),
        "Exact: the share of texts that are right as a whole, the word accuracy where a clip is "
        "one sign. The last rows are over all clips and know nothing of signing.",
        *report_text.misread(report, "## Clips that were misread"),
        *report_text.excluded(report),
        *report_text.readers(run["evaluators"]),
        "## Run",
        report_text.facts(run),
    ]
    return "\n\n".join(parts) + "\n"
