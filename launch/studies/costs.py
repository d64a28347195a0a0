"""What the channel costs, from the output of the commands that measure it.

`cost-*.jsonl` are lines of `launch/benchmark.py replay`; `slice-SIZE-plc.json` and
`slice-SIZE-mse.json` are reports of `launch/compile.py`, with the channel and without.
"""

import json
from pathlib import Path

from launch.studies.tables import table
from signllm_jax.core.errors import DataError


def measured(folder: Path) -> str:
    """CPU seconds of a step, in turns in one process."""
    rows = []
    for path in sorted(folder.glob("cost-*.jsonl")):
        for line in path.read_text().splitlines():
            row = _parsed(path, line)
            spent = 1e3 * row["cpu_seconds"] / row["steps"]
            low, high = row["over_mse_quartiles"]
            ratio = f"{row['over_mse'] - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}]"
            ratio = "-" if row["variant"].endswith("-mse") else ratio
            rows.append([row["variant"], str(row["steps"]), f"{spent:.1f}", ratio])
    return table(["step", "steps", "CPU ms a step", "against mse"], rows)


def measured_line(folder: Path) -> str:
    """How much longer a step with the channel takes on a CPU, of each size."""
    said = []
    for path in sorted(folder.glob("cost-*.jsonl")):
        rows = [_parsed(path, line) for line in path.read_text().splitlines()]
        said += [
            f"{row['over_mse'] - 1:+.1%} at {row['variant'].removesuffix('-plc')}"
            for row in rows
            if not row["variant"].endswith("-mse")
        ]
    return ", ".join(said) or "not measured"


def slices(folder: Path) -> str:
    """The compiler's estimate of a step on a slice, and the collectives in it."""
    rows = []
    for path in sorted(folder.glob("slice-*-plc.json")):
        size = path.name.split("-")[1]
        pair = {way: folder / f"slice-{size}-{way}.json" for way in ("mse", "plc")}
        if not pair["mse"].exists():
            raise DataError(f"{pair['mse']}: missing beside {path.name}")
        found = {way: _parsed(place, place.read_text()) for way, place in pair.items()}
        cycles = {way: report["cycle_milliseconds"] for way, report in found.items()}
        rest = {way: sum(one["uncounted_milliseconds"].values()) for way, one in found.items()}
        charged = {way: cycles[way] + rest[way] for way in found}
        for way, report in found.items():
            mesh = ", ".join(f"{axis} {n}" for axis, n in report["mesh"].items())
            changes = [
                "-" if way == "mse" else f"{of['plc'] / of['mse'] - 1:+.1%}"
                for of in (cycles, charged)
            ]
            rows.append(
                [
                    f"{size}-{way}",
                    f"{report['topology']} ({mesh or 'one device'}), {len(report['lanes'])} "
                    f"languages of {report['batch_size']} rows",
                    f"{cycles[way]:.3f}",
                    changes[0],
                    f"{rest[way]:.3f}",
                    changes[1],
                    _collectives(report),
                    f"{report['hbm_bytes_per_chip'] / 1e9:.3f}",
                ]
            )
    head = [
        "step",
        "on",
        "ms",
        "against mse",
        "ms uncounted",
        "with it",
        "collectives",
        "GB a chip",
    ]
    return table(head, rows)


def _collectives(report: dict) -> str:
    found = report["collectives"]
    return (
        ", ".join(
            f"{one['count']} {one['kind']} ({'+'.join(one['axes'])}, {one['bytes'] / 1e6:.2f} MB)"
            for one in found
        )
        or "none"
    )


def _parsed(path: Path, text: str) -> dict:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: no JSON ({error})") from None
