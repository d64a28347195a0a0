"""A report for people: `report.md` and a few lines for a terminal.

A page has a section where the report has the figures for it, whatever kind of run was evaluated.
"""

import json
from collections.abc import Mapping
from typing import Any

from signllm_jax.artifacts.group import write_file
from signllm_jax.core import markdown as md
from signllm_jax.core.storage import AnyPath
from signllm_jax.core.wording import counted
from signllm_jax.eval.baselines import row_titles
from signllm_jax.eval.evaluators import read_by
from signllm_jax.eval.paper_table import dev_and_test, other_split
from signllm_jax.eval.provenance import goodput_line
from signllm_jax.eval.report import ALL, MAIN, TEXT_STAGE, Report, named
from signllm_jax.eval.takes_report import section as takes
from signllm_jax.metrics import catalogue

PRODUCTIONS = (
    *("cer", "cer_real", "dtw_mean_pose_ratio", "dtw_other_clip_ratio", "exact_match", "bleu4"),
    *("hand_travel_ratio", "duration_ratio", "unproduced"),
)
UNDERSTOOD = (
    *("text_stage.texts", "text_stage.prompts", "text_stage.bleu4", "text_stage.chrf"),
    *("text_stage.language_accuracy", "unaided.language_accuracy"),
    *("text_stage.exact_match", "text_stage.accuracy", "unaided.exact_match"),
    "text_stage.foreign_marks",
)
AGAINST = ("dtw", "cer", "wer", "exact_match", "bleu4", "hand_travel_ratio", "duration_ratio")
READ = ("clips", "exact_match", "accuracy", "cer", "wer", "bleu4", "bleu1", "rouge_l", "chrf")
READ_BACK = (
    *("bleu4", "bleu3", "bleu2", "bleu1", "rouge_l", "chrf", "wer", "exact_match", "accuracy"),
    "dtw",
)
POSE = (
    *("dtw", "dtw_mje", "ndtw_mje", "progressive_dtw", "mje", "pa_mpjpe_body", "pa_mpjpe_hands"),
    *("velocity_error", "acceleration_error", "wrist_travel_ratio", "jerk_ratio", "joints_missing"),
)
LENGTHS = ("clips", "cer", "duration_ratio", "doubled", "doubled_lost")
READER_ROWS = {
    "nearest_train": "nearest train clip by DTW",
    "most_frequent": "most frequent train text",
}
SHOWN = 12  # greatest number of misread texts of a language on the page


def write(report: Report, output: AnyPath) -> dict[str, Any]:
    """Writes `<name>.json`, whose content is returned, and `<name>.md` for people."""
    content = report.to_dict()
    write_file(output, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode())
    page = markdown(report, other_split(output.parent, report))
    write_file(output.with_suffix(".md"), page.encode())
    return content


def summary(report: Report) -> str:
    """A few lines for a terminal: the main figures of every language and all warnings."""
    table = {code or "all": report.flat(code) for code in (*report.codes, ALL)}
    shown = catalogue.known(
        (*UNDERSTOOD, *PRODUCTIONS, "true_langgloss.dtw_mean_pose_ratio"), table.values()
    )
    heads = [catalogue.heading(name) for name in shown]
    first = max(map(len, table))
    lines = [" " * first + "".join(f"  {head:>10}" for head in heads)]
    for code, metrics in table.items():
        cells = [f"  {catalogue.cell(metrics, n):>{max(10, len(h))}}" for n, h in zip(shown, heads)]
        lines.append(f"{code:{first}}" + "".join(cells))
    lines += map(read_by, report.facts["run"].get("evaluators", ()))
    return "\n".join([*lines, *(f"note: {line}" for line in report.facts["warnings"])])


def markdown(report: Report, counterpart: Report | None = None) -> str:
    """report.md, with the figures of the other split's report where there is one."""
    facts, run, prompts = report.facts, report.facts["run"], ("prompt", "understood", "right")
    parts = [
        f"# {run['name']} on {run['dataset']}, {facts['split']}",
        _opening(report),
        *(f"> **Note.** {line}" for line in facts["warnings"]),
        *_understood(report),
        *(_productions(report) if "dtw" in report.flat() else _reading(report)),
        *_lengths(report),
        *_read_back(report),
        *dev_and_test(report, counterpart),
        *_against(report),
        *_pose_metrics(report),
        *(f"![{name}]({path})" for name, path in facts.get("pictures", {}).items()),
        *_misread(facts.get("misread", {})),
        *_listed("Prompts that were misunderstood", prompts, facts.get("misunderstood", {})),
        *_listed("Samples", ("text", "written", "right"), facts.get("samples", {})),
        *_excluded(report),
        *_readers(run.get("evaluators", ())),
        "## Run",
        _facts(run),
    ]
    return "\n\n".join(parts) + "\n"


def _flat_rows(report: Report) -> list[tuple[str, dict]]:
    return [(named(code), report.flat(code)) for code in (*report.codes, ALL)]


def _opening(report: Report) -> str:
    overall, languages = report.flat(), counted(len(report.codes), "language")
    clips = counted(overall.get("clips", 0), "clip")
    if MAIN not in report.rows:
        what = f"{overall['text_stage.texts']} texts of {languages}, written as LangGloss"
    elif "ground_truth" not in report.rows:
        what = f"{overall['clips']} real clips read; no text and no length reaches the reader"
    elif "predictions" in report.facts:
        what = f"{clips} of {languages}, another system's predictions"
    else:
        asked = "prompts" if TEXT_STAGE in report.rows else "text"
        what = f"{clips} of {languages}, produced from {asked} alone"
    return f"{what}. In brackets: 95% bootstrap intervals."


def _understood(report: Report) -> list[str]:
    """The text stage: the share of LangGloss that is right, overall and by spoken language."""
    if TEXT_STAGE not in report.rows:
        return []
    spoken = ", ".join(f"{k} {v:.1%}" for k, v in report.facts.get("spoken", {}).items())
    return [
        "## LangGloss",
        catalogue.table("", UNDERSTOOD, _flat_rows(report), intervals=True),
        "Language right: the share of lines without another language's mark. LangGloss right: the "
        "share of lines of which every gloss and mark is right. Unaided: the text stage alone, "
        "without the rules that read prompts. Figures of all languages are means over them.",
        *([f"LangGloss right by the spoken language of the prompt: {spoken}."] if spoken else []),
        *_scored(report, "glosses"),
    ]


def _scored(report: Report, what: str) -> list[str]:
    """How BLEU and chrF of texts or glosses are computed, in sacrebleu's words."""
    parts = report.facts.get("signatures", {}).get(what)
    return [f"BLEU and chrF by sacrebleu: `{parts['bleu']}`, `{parts['chrf']}`."] if parts else []


def _productions(report: Report) -> list[str]:
    return [
        "## Productions",
        catalogue.table("", PRODUCTIONS, _flat_rows(report), intervals=True),
        "DTW / mean pose: the mean DTW distance of the productions by that of the train mean pose, "
        "held as long as the real clip; 0 is the real clip, 1 no better than holding still. DTW / "
        "other clip: by that of a random other clip of the split. CER: character error rate of the "
        "reader on productions, and on real clips of the same texts, the best it can do. Hand "
        "travel and duration: totals by those of the real clips.",
    ]


def _lengths(report: Report) -> list[str]:
    """The figures of the productions by the length of spelled texts."""
    if "lengths" not in report.facts:
        return []
    rows = list(report.facts["lengths"]["overall"].items())
    return [
        "## By length",
        catalogue.table("letters and pauses", LENGTHS, rows),
        "All languages pooled. A doubled letter is lost when it is not read as two.",
    ]


def _reading(report: Report) -> list[str]:
    if MAIN not in report.rows:
        return []
    rows = _flat_rows(report)
    rows += [(name, report.rows[r][ALL]) for r, name in READER_ROWS.items() if r in report.rows]
    return [
        catalogue.table("", READ, rows, intervals=True),
        "Read right: the share of texts that are right as a whole, the word accuracy where a clip "
        "is one sign. The last rows are over all clips and know nothing of signing.",
        *_scored(report, "texts"),
    ]


def _read_back(report: Report) -> list[str]:
    """The table in the layout of the paper: BLEU and ROUGE of every language, and DTW."""
    if "bleu1" not in report.flat() or "dtw" not in report.flat():
        return []
    rows = []
    for name, metrics in _flat_rows(report):
        rows += [(name, metrics), (f"{name}, real clips", _as_produced(metrics))]
    return [
        f"## Back-translation, {report.facts['split'].upper()}",
        catalogue.table("", READ_BACK, rows),
        "What the evaluators read, mean over them; the row of real clips is the best that they can "
        "do. Figures of different evaluators cannot be compared.",
        *_scored(report, "texts"),
    ]


def _as_produced(metrics: Mapping) -> dict:
    """The text scores of real clips under the names that productions have them by."""
    return {k.removesuffix("_real"): v for k, v in metrics.items() if k.endswith("_real")}


def _against(report: Report) -> list[str]:
    if "ground_truth" not in report.rows:
        return []
    parts = ["## Against reference rows"]
    for code in (ALL, *report.codes):
        rows = []
        for row, name in row_titles(report.facts).items():
            if metrics := dict(report.rows.get(row, {}).get(code, {})):
                metrics |= _as_produced(metrics) if row == "ground_truth" else {}
                rows.append((name, metrics))
        title = f"### {named(code) if code else 'All languages'}"
        parts += [title, catalogue.table("", AGAINST, rows)]
    forced = "The teacher-forced row is given the real frames before each patch, and their length."
    return [
        *parts,
        "DTW is the mean over clips of the Euclidean distance of a frame's joints in shoulder "
        "widths, summed along the best path and divided by the longer clip's frames. The nearest "
        "train clip is the one whose text has the least edit distance.",
        *([forced] if "teacher_forced" in report.rows else []),
        *takes(report),
    ]


def _pose_metrics(report: Report) -> list[str]:
    if "dtw" not in report.flat():
        return []
    return [
        "## Pose metrics of the productions",
        catalogue.table("", POSE, _flat_rows(report)),
        "Lengths in shoulder widths. Definitions and sources: `docs/metrics.md`.",
    ]


def _misread(misread: Mapping) -> list[str]:
    """The texts that were read wrong, the first dozen of each language."""
    lines = {}
    for code, pairs in misread.items():
        shown = ", ".join(f"{text} → {read or '(nothing)'}" for text, read in pairs[:SHOWN])
        more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
        lines[code] = [[shown + more]] if pairs else []
    return _listed("Clips that were misread", ("text → read",), lines)


def _listed(title: str, heads: tuple[str, ...], lines: Mapping) -> list[str]:
    """A section with a table of texts: language -> the texts of each line."""
    rows = [[code, *map(md.escape, texts)] for code in lines for texts in lines[code]]
    return [f"## {title}", md.table(["", *heads], rows, align="l")] if rows else []


def _excluded(report: Report) -> list[str]:
    """The clips that were left out, and why."""
    lines = [
        f"- {code}: {count} × {reason}"
        for code, reasons in report.facts.get("excluded", {}).items()
        for reason, count in reasons.items()
    ]
    lines += [
        f"- {code}: {count} × {name.removesuffix('_excluded')} has no meaning for the production"
        for code, metrics in report.rows.get(MAIN, {}).items()
        for name, count in metrics.items()
        if code and name.endswith("_excluded")
    ]
    return ["## Clips left out", "\n".join(lines)] if lines else []


def _readers(evaluators: list[Mapping]) -> list[str]:
    if not evaluators:
        return []
    errors = ["cer"] if evaluators[0]["memorised_by"] == "cer" else ["cer", "wer"]
    heads = [f"{error.upper()}, {where}" for error in errors for where in ("train", "this split")]
    rows = []
    for reader in evaluators:
        spent = md.MISSING if reader["cpu_seconds"] is None else f"{reader['cpu_seconds']:.0f}"
        rates = [f"{reader[f'{error}_{w}']:.1%}" for error in errors for w in ("train", "real")]
        name = f"{reader['kind'].partition(',')[0]}, seed {reader['seed']} (`{reader['workdir']}`)"
        rows.append([name, f"`{reader['sha256'][:12]}`", str(reader["steps"]), spent, *rates])
    return [
        "## Readers",
        "Trained on the real clips of the train split only; errors are on real clips.",
        md.table(["reader", "digest", "steps", "CPU s", *heads], rows, align="llr"),
    ]


def _facts(run: Mapping) -> str:
    """Facts of the run and of the evaluation: settings, costs, hardware and versions."""
    lines = [f"seed {run['seed']}, {run['steps']} steps, size {run['size']}"]
    if run.get("ensemble"):
        lines.append(f"probabilities averaged with those of {', '.join(run['ensemble'])}")
    if "cpu_seconds" in run:
        lines.append(f"training: {run['seconds']:.0f} s, {run['cpu_seconds']:.0f} CPU seconds")
    if "goodput" in run:
        lines.append(goodput_line(run["goodput"]))
    lines += [
        f"this evaluation: {run['evaluation_seconds']:.0f} s, "
        f"{run['evaluation_cpu_seconds']:.0f} CPU seconds, readers trained meanwhile included",
        ", ".join(f"{name}: {value}" for name, value in run["hardware"].items()),
        ", ".join(f"{name} {number}" for name, number in run["versions"].items()),
    ]
    return "\n".join(f"- {line}" for line in lines)
