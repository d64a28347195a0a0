"""The page of the study of variety: `docs/variety.md` and `docs/variety/summary.json`."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.studies import variety, variety_plain
from launch.studies import variety_targets as targets
from signllm_jax.artifacts.group import write_file
from signllm_jax.core import markdown
from signllm_jax.core.errors import DataError

TITLES = {
    "mse": "autoregressive, squared error",
    "latent": "autoregressive, latent",
    "parallel_mse": "parallel, squared error",
    "parallel": "parallel, latent",
    "flow": "parallel, flow matching",
}
STILL = (
    " In one pass, with neither history nor latent to say which signer it is, a squared error has "
    "the model hold still, as the mean pose does; a latent, or noise to begin from, mends that."
)
COLUMNS = {
    "cer": ("CER", ".1%"),
    "sign_read": ("sign read", ".1%"),
    "travel": ("travel", ".2f"),
    "speed": ("speed", ".2f"),
    "raw_jerk": ("raw jerk", ".2f"),
    "frechet": ("Fréchet", ".3f"),
    "diversity_over_real": ("diversity / real", ".2f"),
    "best_of_4_over_mean_pose": ("best / mean pose", ".2f"),
    "mixed_hands": ("mixed hands", ".1%"),
    "left_handed": ("left-handed", ".1%"),
    "raw_travel": ("raw travel", ".2f"),
    "duration": ("duration", ".2f"),
    "cpu_seconds": ("CPU s", ".0f"),
    "tstd_over_real": ("tstd / real", ".2f"),
    "expected_dtw": ("expected DTW", ".3f"),
    "best_of_4": ("best DTW", ".3f"),
    "tau1": ("τ1", ".2f"),
    "tau2": ("τ2", ".2f"),
    "tau3": ("τ3", ".2f"),
}
"""Figure -> head of its column, and how it is written; what matters most comes first."""


def write(docs: Path) -> str:
    """Writes the page and the summary from the seeds that are there.

    Returns:
        A line that says where.

    Raises:
        DataError: no seed is there, or one is no record of the study.
    """
    folder = docs / "variety"
    seeds = joined([_read(path) for path in sorted(folder.glob("seed-*.json"))])
    if not seeds:
        raise DataError(f"{folder}: no seed-*.json is there (--seed, --output)")
    summary: dict[str, Any] = {"seeds": [seed["seed"] for seed in seeds]}
    for half in variety.HALVES:
        own = [seed[half] for seed in seeds if half in seed]
        if own:
            summary[half] = mean(own) | {"rows": mean_rows([found["rows"] for found in own])}
    if runs := variety_plain.read(folder / "plain.json"):
        summary["plain"] = runs
    text = json.dumps(summary, indent=1, ensure_ascii=False)
    write_file(folder / "summary.json", f"{text}\n".encode())
    write_file(docs / "variety.md", page(summary).encode())
    return f"{docs / 'variety.md'}: seeds {', '.join(str(seed) for seed in summary['seeds'])}"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
        halves = [found[half] for half in variety.HALVES if half in found]
        if not isinstance(found["seed"], int) or not halves or "rows" not in halves[0]:
            raise ValueError("it lacks rows")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is no seed of this study ({error!r:.100})") from None
    return found


def joined(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One record a seed, of those that were made of it for different ways, in the order of seeds.

    A seed's figures are those of the way that is first in `variety.JUDGED` of the half.
    """
    found: dict[int, dict[str, Any]] = {}
    for record in records:
        kept = found.setdefault(record["seed"], dict(record))
        for half, order in variety.JUDGED.items():
            pair = [one[half] for one in (kept, record) if half in one]
            if pair:
                best = min(pair, key=lambda one: order.index(one["judged"]))
                kept[half] = best | {"rows": pair[0]["rows"] | pair[-1]["rows"]}
    return [found[seed] for seed in sorted(found)]


def mean_rows(found: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Way -> the means over the seeds that have it, which `seeds` counts, and of how many."""
    rows = {}
    for way in sorted({way for rows in found for way in rows}, key=[*TITLES].index):
        own = [rows[way] for rows in found if way in rows]
        rows[way] = mean(own) | {"seeds": len(own), "of": len(found)}
    return rows


def mean(records: Sequence[Any]) -> Any:
    """The means of numbers over records of one form; what one lacks is left out.

    Words stay where all records have the same.
    """
    first = records[0]
    if isinstance(first, Mapping):
        names = [name for name in first if all(name in other for other in records)]
        found = {name: mean([record[name] for record in records]) for name in names}
        return {name: value for name, value in found.items() if value is not None}
    if isinstance(first, str):
        return first if len(set(records)) == 1 else None
    average = statistics.fmean(records)
    whole = all(isinstance(record, int) for record in records) and average.is_integer()
    return int(average) if whole else float(f"{average:.5g}")


def page(summary: Mapping[str, Any]) -> str:
    """The page in Markdown."""
    seeds = ", ".join(str(seed) for seed in summary["seeds"])
    parts = [
        "# Variety: models that keep how signers differ",
        "Where a text is signed by many, a squared error asks for the mean of them, which nobody "
        "signs. These tables hold models against real takes by all [referees](referees.md): with a "
        "squared error or a latent (`model.latent`), by the autoregressive decoder or in one pass "
        f"(`model.decoder=parallel`){_flow(summary)}, each for about as many "
        "CPU seconds, of which compiling is a part; other work on the machine raises them, so "
        "that they are upper bounds. Settings were chosen on dev words. The number of "
        "steps and `model.ease` were set last, when seed 0 had been scored on test three times "
        "with earlier settings, so its figures are no blind test; other seeds were scored once. "
        f"Means over seeds {seeds}; a row of fewer seeds says so. Written by",
        "```bash\n"
        "python launch/study.py variety --seed=0 --output=docs/variety/seed-0.json --takes=DIR \\\n"
        "  --ways=latent  # or others, each once: records of one seed are joined\n"
        "python launch/study.py variety\n"
        "```",
        *(_signers(summary["signers"]) if "signers" in summary else ()),
        *(_takes(summary["takes"]) if "takes" in summary else ()),
        *variety_plain.section(summary.get("plain", ())),
        "## What is not shown",
        _not_shown(summary),
    ]
    return "\n\n".join(parts) + "\n"


def _flow(summary: Mapping[str, Any]) -> str:
    halves = [summary[half] for half in variety.HALVES if half in summary]
    there = any("flow" in half["rows"] for half in halves)
    return ", and in some passes out of noise (`model.flow`)" if there else ""


def _not_shown(summary: Mapping[str, Any]) -> str:
    """What was not run, of what the page is about."""
    lacking = []
    for half, title in (("signers", "many signers"), ("takes", "takes of signs")):
        rows = summary.get(half, {}).get("rows", {})
        lacking += [f"{TITLES[way]} on {title}" for way in TITLES if way not in rows]
    if not any(run["decoder"] == "parallel" for run in summary.get("plain", ())):
        lacking.append("the parallel decoder on the demo, which has one signer a language")
    lacking.append("the Priority Learning Channel: all models here learn without it")
    text = "; ".join(lacking)
    return f"{text[0].upper()}{text[1:]}."


def _signers(found: Mapping[str, Any]) -> list[str]:
    rows = found["rows"]
    longer, unseen = (
        {way: row[part] | {"seeds": row["seeds"], "of": row["of"]} for way, row in rows.items()}
        for part in ("longer", "unseen_signers")
    )
    return [
        "## Many signers",
        f"`fingerspelling_signers`: {found['texts']} unseen words of 3 to 6 letters by eight "
        f"signers, {found['clips']} takes and as many samples; hands over "
        f"{found['hand_samples']} samples of all test texts, of whose takes "
        f"{found['real_left_handed']:.1%} are left-handed. The reader's CER on real takes of the "
        f"words is {found['cer_real']:.1%}.",
        _table({**_named(rows), **found["references"]}),
        "What is asked of a model that keeps variety, and what is reached:",
        targets.table(targets.SIGNERS, _named(rows)),
        "A squared error is read as well as the latent, and its hands go as far: the history lets "
        "it keep to what it began. What it lacks is seen by diversity, the Fréchet distance and "
        "the share of left-handed clips: it has one clip for a text, and never the left hand."
        + (STILL if rows.get("parallel_mse", {}).get("travel", 1.0) < 0.1 else ""),
        f"Longer texts, {_first(longer)['texts']} of them (CER on real takes "
        f"{_first(longer)['cer_real']:.1%}):",
        _table(_named(longer)),
        "Strings by two signers of whom nothing was trained (CER on real takes "
        f"{_first(unseen)['cer_real']:.1%}):",
        _table(_named(unseen)),
    ]


def _takes(found: Mapping[str, Any]) -> list[str]:
    return [
        "## Takes of signs",
        f"{found['texts']} ASL signs, {found['clips']} takes of sessions that were not trained on. "
        f"A recognizer that was trained on the train sessions reads {found['sign_read_real']:.1%} "
        "of these takes. Settings are those of above but for steps and the weight of the latent. "
        "The autoregressive latent, by which takes are judged, has a code of 32 numbers that is "
        "read from eight cosines of a take's time as well (`model.latent_moments`), and a history "
        "with little noise. All this was chosen on dev takes. Models of earlier settings had been "
        "scored on test before, twice, and had missed travel or tstd; sign by sign their figures "
        "had shown that small movements back and forth were lost. So these figures are no blind "
        "test of that choice.",
        _table({**_named(found["rows"]), **found["references"]}),
        "What is asked, and what is reached:",
        targets.table(targets.TAKES, _named(found["rows"])),
    ]


def _named(rows: Mapping[str, Mapping]) -> dict[str, Mapping]:
    return {TITLES[way] + _fewer(row): row for way, row in rows.items()}


def _fewer(row: Mapping[str, Any]) -> str:
    """What is added to the title of a row of fewer seeds than others."""
    return f" ({row['seeds']} of {row['of']} seeds)" if row["seeds"] < row["of"] else ""


def _first(rows: Mapping[str, Mapping]) -> Mapping:
    return next(iter(rows.values()))


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
    shown = [name for name in COLUMNS if any(name in row for row in rows.values())]
    lines = [
        [
            title,
            *(
                format(row[name], COLUMNS[name][1]) if name in row else markdown.MISSING
                for name in shown
            ),
        ]
        for title, row in rows.items()
    ]
    return markdown.table(["", *(COLUMNS[name][0] for name in shown)], lines)
