"""docs/words.md: what the demo reaches by the length of a text, and a run on many signers."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from signllm_jax.artifacts.group import write_file
from signllm_jax.core.errors import DataError
from signllm_jax.eval.pages import LENGTHS
from signllm_jax.eval.results import write_readme
from signllm_jax.metrics.catalogue import table
from signllm_jax.metrics.spread import means

BANDS = ("1-2", "3-6", "7-10", "11-16", "several words")
SIGNERS = (
    *("cer", "dtw", "smooth_travel_ratio", "smooth_speed_ratio", "frechet", "duration_ratio"),
    "joints_missing",
)
SPLITS = {
    "test": "Unseen texts by the eight signers",
    "test_signers": "Unseen strings by two signers of whom nothing was trained",
}


def demo_record(report: Mapping) -> dict:
    """The part of a run's report that the page keeps: figures by length, seed and cost."""
    run = report["run"]
    kept = ("seed", "steps", "cpu_seconds", "total_cpu_seconds", "hardware", "versions")
    overall = {name: report["overall"][name] for name in ("cer", "cer_real", "duration_ratio")}
    record = {name: run[name] for name in kept if name in run}
    return record | {"overall": overall, "lengths": report["lengths"]}


def clock_record(without: Mapping, clocked: Mapping) -> dict:
    """The part that the page keeps of two runs' dev reports, without and with the token clock."""
    return {
        **{name: clocked["run"][name] for name in ("seed", "steps")},
        "languages": list(clocked["languages"]),
        "without": without["lengths"]["overall"],
        "with": clocked["lengths"]["overall"],
    }


def keep(docs: Path, kind: str, record: Mapping) -> None:
    """Writes a run's record to `docs/words/<kind>-<seed>.json`."""
    folder = docs / "words"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True)
    write_file(folder / f"{kind}-{record['seed']}.json", f"{text}\n".encode())


def write(docs: Path) -> str:
    """Writes the tables into `docs/words.md` from the records in `docs/words`.

    The README beside the folder gets the demo's result in one line where it has a place for it.

    Returns:
        The tables.

    Raises:
        DataError: there is no record, or the page has no place for a table.
    """
    tables = []
    for kind, write_table in (("demo", _demo), ("clock", _clock), ("signers", _signers)):
        paths = sorted((docs / "words").glob(f"{kind}-*.json"))
        if records := [json.loads(path.read_text("utf-8")) for path in paths]:
            tables.append(write_table(records))
            write_readme(str(docs / "words.md"), tables[-1], kind)
        if records and kind == "demo":
            _write_line(docs.parent / "README.md", records)
    if not tables:
        raise DataError(f"{docs / 'words'}: no run is kept there (--demos, --signers)")
    return "\n\n".join(tables)


def _seeds(records: Sequence[Mapping]) -> str:
    seeds = [str(record["seed"]) for record in records]
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean over seeds {', '.join(seeds)}"


def _by_band(pooled: Sequence[Mapping]) -> list[tuple[str, dict[str, float]]]:
    """The mean figures of each band that all runs have; counts are the same for all seeds."""
    rows = []
    for band in BANDS:
        if all(band in lengths for lengths in pooled):
            figures = means([lengths[band] for lengths in pooled])
            counts = {n: round(figures[n]) for n in ("clips", "doubled") if n in figures}
            rows.append((band, figures | counts))
    return rows


def _share_lost(lengths: Mapping[str, Mapping[str, float]]) -> float:
    """The share of doubled letters that are lost, over all bands."""
    bands = [x for band, x in lengths.items() if band != "several words" and "doubled" in x]
    lost = sum(figures["doubled"] * figures["doubled_lost"] for figures in bands)
    return lost / sum(figures["doubled"] for figures in bands)


def _demo(records: Sequence[Mapping]) -> str:
    pooled = [record["lengths"]["overall"] for record in records]
    overall = means([record["overall"] for record in records])
    lost = statistics.fmean(map(_share_lost, pooled))
    cost = statistics.fmean(record["total_cpu_seconds"] for record in records)
    lines = [
        table("letters and pauses", LENGTHS, _by_band(pooled)),
        "",
        f"All languages pooled, {_seeds(records)}; {records[0]['steps']} steps. Over all texts: "
        f"CER {overall['cer']:.2%}, on real clips {overall['cer_real']:.2%}; duration "
        f"{overall['duration_ratio']:.3f}; {lost:.1%} of doubled letters lost. "
        f"The whole command took {cost:.0f} CPU seconds.",
    ]
    if len(records) > 1:
        by_seed = "; ".join(
            f"seed {record['seed']}: "
            + ", ".join(f"{band} {lengths[band]['cer']:.1%}" for band in BANDS if band in lengths)
            for record, lengths in zip(records, pooled)
        )
        lines += ["", f"CER of each seed: {by_seed}."]
    return "\n".join(lines)


def _clock(records: Sequence[Mapping]) -> str:
    rows = [
        (f"{kind} the clock, {band}", figures)
        for kind in ("without", "with")
        for band, figures in _by_band([record[kind] for record in records])
    ]
    which = f"Dev texts of {', '.join(records[0]['languages'])}, {_seeds(records)}"
    return f"{table('', LENGTHS, rows)}\n\n{which}; {records[0]['steps']} steps."


def _write_line(readme: Path, records: Sequence[Mapping]) -> None:
    """Writes the demo's result in one line, where the file has a block `words`."""
    if not readme.exists() or "<!-- words:start -->" not in readme.read_text("utf-8"):
        return
    pooled = [record["lengths"]["overall"] for record in records]
    wrong = ", ".join(f"{row['cer']:.1%} at {_named(band)}" for band, row in _by_band(pooled))
    line = f"Letters wrong in texts never trained on, by their length ({_seeds(records)}): {wrong}."
    write_readme(str(readme), line, "words")


def _named(band: str) -> str:
    return band if band == "several words" else f"{band.replace('-', ' to ')} letters"


def _signers(records: Sequence[Mapping]) -> str:
    parts = []
    for split, title in SPLITS.items():
        splits = [record[split] for record in records]
        rows = [(row, means([figures[row] for figures in splits])) for row in splits[0]]
        parts += [f"{title}, {_seeds(records)}:", table("", SIGNERS, rows)]
    return "\n\n".join(parts)
