"""docs/sentences.md: what is reached on sentences of real signs, from the records of its seeds."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from signllm_jax.artifacts.group import write_file
from signllm_jax.core import markdown
from signllm_jax.core.errors import DataError
from signllm_jax.eval.results import write_readme
from signllm_jax.metrics.spread import means

CORPORA = {"order": "ordering (15 ASL signs)", "tsl": "60 TSL signs"}
SUMMARY = (
    *("gloss_error", "lookup_gloss_error", "real_gloss_error", "jerk_at_joins_over_lookup"),
    "travel",
)
BESIDE = ("unsmoothed_jerk_at_joins_over_lookup", "lookup_travel")
NAMES = "names"
"""Name of the corpus whose sentences are asked for and have names, and of its place in the page."""
ANSWERS = {
    "LangGloss right": ("gloss_exact", "unaided_exact"),
    "names spelled right": ("names_right", "unaided_names_right"),
}
SHOWN = {
    "real signs": ("real_gloss_error", "real_name_error"),
    "produced from prompts": ("gloss_error", "name_error"),
}
ERRORS = {
    "real": ("real_gloss_error", "real signs, joined"),
    "lookup": ("lookup_gloss_error", "looked up in the takes of train, joined"),
    "produced": ("gloss_error", "**produced**"),
}


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
    made = json.dumps(summary(records), indent=1)
    write_file(docs / "sentences" / "summary.json", f"{made}\n".encode())
    return text


def summary(
    records: Sequence[Mapping], names: Sequence[str] = SUMMARY
) -> dict[str, dict[str, float]]:
    """Corpus -> the mean of each named figure over the seeds that have the corpus."""
    found = {}
    for corpus in CORPORA:
        own = [record[corpus] for record in records if corpus in record]
        if own:
            found[corpus] = means([{name: figures[name] for name in names} for figures in own])
    return found


def table(records: Sequence[Mapping]) -> str:
    """The tables of the page."""
    found = summary(records, (*SUMMARY, *BESIDE))
    titles = [CORPORA[name] for name in found]
    rows = [
        [title, *(f"{found[name][key]:.1%}" for name in found)] for key, title in ERRORS.values()
    ]
    errors = markdown.table(["gloss error on unseen sentences", *titles], rows)
    smooth = [
        ["jerk at joins over lookup's", "jerk_at_joins_over_lookup"],
        ["the same without the filter", BESIDE[0]],
        ["travel of the hands over real's (smoothed) → 1", "travel"],
        ["the same of lookup's", "lookup_travel"],
    ]
    moved = markdown.table(
        ["of what is produced", *titles],
        [[title, *(f"{found[name][key]:.2f}" for name in found)] for title, key in smooth],
    )
    return "\n".join([errors, "", moved, "", _told(records, list(found))])


def names_table(records: Sequence[Mapping]) -> str:
    """The table of questions that are answered by sentences with spelled names.

    Args:
        records: Of seeds that have the corpus NAMES.
    """
    own = [record[NAMES] for record in records]
    rows = [[title, *_spread(own, keys)] for title, keys in ANSWERS.items()]
    made = markdown.table(
        ["share of prompts, test", "as `produce` reads", "text stage alone"], rows
    )
    read = markdown.table(
        ["read from the clips", "all signs and letters", "letters of names"],
        [[title, *_spread(own, keys)] for title, keys in SHOWN.items()],
    )
    seeds = ", ".join(str(record["seed"]) for record in records)
    told = (
        f"{'Seed' if len(own) == 1 else 'Mean ± standard deviation over seeds'} {seeds}; "
        f"{own[0]['sentences']} sentences, {own[0]['named_sentences']} with a name, each asked for "
        f"in eight spoken languages; {own[0]['text_steps']} steps of the text stage, "
        f"{own[0]['steps']} of the pose stage; "
        f"{statistics.fmean(figures['cpu_seconds'] for figures in own):.0f} CPU seconds of "
        "training a seed, the reader's among them."
    )
    return "\n".join([made, "", read, "", told])


def _spread(own: Sequence[Mapping], keys: Sequence[str]) -> list[str]:
    """Mean and deviation of each figure, as shares."""
    values = [[figures[key] for figures in own] for key in keys]
    return [
        f"{statistics.fmean(each):.1%}" + (f" ± {statistics.stdev(each):.1%}" if each[1:] else "")
        for each in values
    ]


def _told(records: Sequence[Mapping], corpora: Sequence[str]) -> str:
    seeds = ", ".join(str(record["seed"]) for record in records)
    parts = [f"{'Seed' if len(records) == 1 else 'Means over seeds'} {seeds}."]
    for name in corpora:
        own = [record[name] for record in records if name in record]
        each = ", ".join(f"{figures['gloss_error']:.1%}" for figures in own)
        seconds = statistics.fmean(figures["cpu_seconds"] for figures in own)
        parts.append(
            f"{CORPORA[name]}: {own[0]['sentences']} test sentences; gloss error of the seeds "
            f"{each}; {own[0]['steps']} steps; {seconds:.0f} CPU seconds of training a seed, "
            "the reader's among them."
        )
    return " ".join(parts)
