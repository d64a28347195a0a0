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
    """What the page keeps of a run's report: figures by length, seed and cost."""
    run = report["run"]
    kept = ("seed", "steps", "cpu_seconds", "total_cpu_seconds", "hardware", "versions")
    overall = {name: report["overall"][name] for name in ("cer", "cer_real", "duration_ratio")}
    return {
        **{name: run[name] for name in kept if name in run},
        "overall": overall,
        "lengths": report["lengths"],
    }


def clock_record(without: Mapping, clocked: Mapping) -> dict:
    """What the page keeps of the dev reports of two runs, without and with the token clock."""
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
    found = []
    for kind, made in (("demo", _demo), ("clock", _clock), ("signers", _signers)):
        records = [
            json.loads(path.read_text("utf-8"))
            for path in sorted((docs / "words").glob(f"{kind}-*.json"))
        ]
        if records:
            found.append(made(records))
            write_readme(str(docs / "words.md"), found[-1], kind)
        if records and kind == "demo":
            _write_line(docs.parent / "README.md", records)
    if not found:
        raise DataError(f"{docs / 'words'}: no run is kept there (--demos, --signers)")
    return "\n\n".join(found)


def _seeds(records: Sequence[Mapping]) -> str:
    seeds = [str(record["seed"]) for record in records]
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"mean over seeds {', '.join(seeds)}"


def _demo(records: Sequence[Mapping]) -> str:
    pooled = [record["lengths"]["overall"] for record in records]
    rows = [
        (band, _whole(means([lengths[band] for lengths in pooled])))
        for band in BANDS
        if all(band in lengths for lengths in pooled)
    ]
    bands = [{n: x for n, x in lengths.items() if n != "several words"} for lengths in pooled]
    lost = [
        sum(x["doubled"] * x["doubled_lost"] for x in own.values() if "doubled" in x)
        / sum(x.get("doubled", 0) for x in own.values())
        for own in bands
    ]
    overall = means([record["overall"] for record in records])
    cost = statistics.fmean(record["total_cpu_seconds"] for record in records)
    lines = [
        table("letters and pauses", LENGTHS, rows),
        "",
        f"All languages pooled, {_seeds(records)}; {records[0]['steps']} steps. Over all texts: "
        f"CER {overall['cer']:.2%}, on real clips {overall['cer_real']:.2%}; duration "
        f"{overall['duration_ratio']:.3f}; {statistics.fmean(lost):.1%} of doubled letters lost. "
        f"The whole command took {cost:.0f} CPU seconds.",
    ]
    if len(records) > 1:
        each = "; ".join(
            f"seed {record['seed']}: "
            + ", ".join(f"{band} {lengths[band]['cer']:.1%}" for band in BANDS if band in lengths)
            for record, lengths in zip(records, pooled)
        )
        lines += ["", f"CER of each seed: {each}."]
    return "\n".join(lines)


def _clock(records: Sequence[Mapping]) -> str:
    rows = [
        (f"{kind} the clock, {band}", _whole(means([record[kind][band] for record in records])))
        for kind in ("without", "with")
        for band in BANDS
        if all(band in record[kind] for record in records)
    ]
    which = f"Dev texts of {', '.join(records[0]['languages'])}, {_seeds(records)}"
    return f"{table('', LENGTHS, rows)}\n\n{which}; {records[0]['steps']} steps."


def _write_line(readme: Path, records: Sequence[Mapping]) -> None:
    """Writes the demo's result in one line, where the file has a block `words`."""
    if not readme.exists() or "<!-- words:start -->" not in readme.read_text("utf-8"):
        return
    pooled = [record["lengths"]["overall"] for record in records]
    wrong = ", ".join(
        f"{means([lengths[band] for lengths in pooled])['cer']:.1%} at {_named(band)}"
        for band in BANDS
        if all(band in lengths for lengths in pooled)
    )
    line = f"Letters wrong in texts never trained on, by their length ({_seeds(records)}): {wrong}."
    write_readme(str(readme), line, "words")


def _named(band: str) -> str:
    return band if band == "several words" else f"{band.replace('-', ' to ')} letters"


def _whole(figures: dict[str, float]) -> dict[str, float]:
    """Counts are the same for all seeds."""
    return figures | {n: round(figures[n]) for n in ("clips", "doubled") if n in figures}


def _signers(records: Sequence[Mapping]) -> str:
    parts = []
    for split, title in SPLITS.items():
        rows = [
            (row, means([record[split][row] for record in records])) for row in records[0][split]
        ]
        parts += [f"{title}, {_seeds(records)}:", table("", SIGNERS, rows)]
    return "\n\n".join(parts)
