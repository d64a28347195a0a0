"""docs/sentences.md: the figures on sentences of real signs, from the records of the seeds."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from launch.studies.records import write_json
from signllm_jax.core import markdown
from signllm_jax.core.errors import DataError
from signllm_jax.eval.results import write_readme
from signllm_jax.metrics.spread import means, spread

CORPORA = {"order": "ordering (15 ASL signs)", "tsl": "60 TSL signs"}
SUMMARY = (
    *("gloss_error", "lookup_gloss_error", "real_gloss_error", "jerk_at_joins_over_lookup"),
    "travel",
)
NAMES = "names"
"""Name of the corpus of questions with names, and of the block of its tables in the page."""
ANSWERS = {
    "LangGloss right": ("gloss_exact", "unaided_exact"),
    "names spelled right": ("names_right", "unaided_names_right"),
}
SHOWN = {
    "real signs": ("real_gloss_error", "real_name_error"),
    "produced from prompts": ("gloss_error", "name_error"),
}
ERRORS = {
    "real_gloss_error": "real signs, joined",
    "lookup_gloss_error": "looked up in the takes of train, joined",
    "gloss_error": "**produced**",
}
MOVEMENTS = {
    "jerk_at_joins_over_lookup": "jerk at joins over lookup's",
    "unsmoothed_jerk_at_joins_over_lookup": "the same without the filter",
    "travel": "travel of the hands over real's (smoothed) → 1",
    "lookup_travel": "the same of lookup's",
}
"""Figure -> title of its row."""


def write(docs: Path) -> str:
    """Writes `docs/sentences/summary.json` and the table of `docs/sentences.md`.

    Args:
        docs: Folder with `sentences/seed-*.json`, what `launch/study.py sentences` writes.

    Returns:
        The table.

    Raises:
        DataError: There is no record, or the page has no place for the table.
    """
    paths = sorted((docs / "sentences").glob("seed-*.json"))
    records = [json.loads(path.read_text("utf-8")) for path in paths]
    if not records:
        raise DataError(f"{docs / 'sentences'}: no seed-S.json of launch/study.py sentences there")
    text = table(records)
    write_readme(str(docs / "sentences.md"), text)
    named = [record for record in records if NAMES in record]
    if named:
        write_readme(str(docs / "sentences.md"), names_table(named), NAMES)
    write_json(docs / "sentences" / "summary.json", summary(records))
    return text


def summary(
    records: Sequence[Mapping], names: Sequence[str] = SUMMARY
) -> dict[str, dict[str, float]]:
    """Corpus -> the mean of each named figure over the seeds that have the corpus."""
    averages = {}
    for corpus in CORPORA:
        runs = [record[corpus] for record in records if corpus in record]
        if runs:
            averages[corpus] = means([{name: run[name] for name in names} for run in runs])
    return averages


def table(records: Sequence[Mapping]) -> str:
    """The tables of the page."""
    averages = summary(records, (*ERRORS, *MOVEMENTS))
    titles = [CORPORA[name] for name in averages]

    def part(head, rows, form):
        cells = [
            [title, *(format(figures[key], form) for figures in averages.values())]
            for key, title in rows.items()
        ]
        return markdown.table([head, *titles], cells)

    errors = part("gloss error on unseen sentences", ERRORS, ".1%")
    moved = part("of what is produced", MOVEMENTS, ".2f")
    return "\n".join([errors, "", moved, "", _sources(records, averages)])


def names_table(records: Sequence[Mapping]) -> str:
    """The tables of questions that are answered by sentences with spelled names.

    Args:
        records: Records of seeds that have the corpus NAMES.
    """
    runs = [record[NAMES] for record in records]
    first, seconds = runs[0], statistics.fmean(run["cpu_seconds"] for run in runs)

    def part(head, rows):
        cells = [
            [title, *(spread([run[key] for run in runs], ".1%") for key in keys)]
            for title, keys in rows.items()
        ]
        return markdown.table(head, cells)

    made = part(["share of prompts, test", "as `produce` reads", "text stage alone"], ANSWERS)
    read = part(["read from the clips", "all signs and letters", "letters of names"], SHOWN)
    seeds = _seeds(records, "Mean ± standard deviation over seeds")
    source = (
        f"{seeds}; {first['sentences']} sentences, {first['named_sentences']} with a name, each "
        f"asked for in eight spoken languages; {first['text_steps']} steps of the text stage, "
        f"{first['steps']} of the pose stage; {seconds:.0f} CPU seconds of "
        "training a seed, the reader's among them."
    )
    return "\n".join([made, "", read, "", source])


def _seeds(records: Sequence[Mapping], several: str) -> str:
    """The seeds of the records; the text begins with `several` where there are several."""
    seeds = ", ".join(str(record["seed"]) for record in records)
    return f"{'Seed' if len(records) == 1 else several} {seeds}"


def _sources(records: Sequence[Mapping], corpora: Iterable[str]) -> str:
    """The seeds, sentences, steps and seconds that the tables come from."""
    parts = [f"{_seeds(records, 'Means over seeds')}."]
    for name in corpora:
        runs = [record[name] for record in records if name in record]
        errors = ", ".join(f"{run['gloss_error']:.1%}" for run in runs)
        seconds = statistics.fmean(run["cpu_seconds"] for run in runs)
        parts.append(
            f"{CORPORA[name]}: {runs[0]['sentences']} test sentences; gloss error of the seeds "
            f"{errors}; {runs[0]['steps']} steps; {seconds:.0f} CPU seconds of training a seed, "
            "the reader's among them."
        )
    return " ".join(parts)
