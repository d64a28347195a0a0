"""What the channel costs, from the output of the commands that measure it.

`cost-*.jsonl` are lines of `launch/benchmark.py replay`; `slice-SIZE-plc.json` and
`slice-SIZE-mse.json` are reports of `launch/compile.py`, with the channel and without.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from launch.studies.tables import table
from signllm_jax.core.errors import DataError


def measured(folder: Path) -> str:
    """A table of the CPU seconds per step; the variants were measured in turns in one process."""
    rows = []
    for row in _rows(folder):
        spent = 1e3 * row["cpu_seconds"] / row["steps"]
        low, high = row["over_mse_quartiles"]
        ratio = f"{row['over_mse'] - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}]"
        ratio = "-" if row["variant"].endswith("-mse") else ratio
        rows.append([row["variant"], str(row["steps"]), f"{spent:.1f}", ratio])
    return table(["step", "steps", "CPU ms a step", "against mse"], rows)


def measured_line(folder: Path) -> str:
    """How much longer a step with the channel takes on a CPU, for each model size."""
    ratios = [
        f"{row['over_mse'] - 1:+.1%} at {row['variant'].removesuffix('-plc')}"
        for row in _rows(folder)
        if not row["variant"].endswith("-mse")
    ]
    return ", ".join(ratios) or "not measured"


def slices(folder: Path) -> str:
    """A table of the compiler's estimate of a step on a slice, and of its collectives."""
    rows = []
    for path in sorted(folder.glob("slice-*-plc.json")):
        size = path.name.split("-")[1]
        pair = {way: folder / f"slice-{size}-{way}.json" for way in ("mse", "plc")}
        if not pair["mse"].exists():
            raise DataError(f"{pair['mse']}: missing beside {path.name}")
        reports = {way: _parsed(file, file.read_text()) for way, file in pair.items()}
        cycles = {way: report["cycle_milliseconds"] for way, report in reports.items()}
        rest = {way: sum(r["uncounted_milliseconds"].values()) for way, r in reports.items()}
        charged = {way: cycles[way] + rest[way] for way in reports}
        changes = [f"{times['plc'] / times['mse'] - 1:+.1%}" for times in (cycles, charged)]
        for way, report in reports.items():
            mesh = ", ".join(f"{axis} {n}" for axis, n in report["mesh"].items())
            change, charged_change = ["-", "-"] if way == "mse" else changes
            collectives = [
                f"{c['count']} {c['kind']} ({'+'.join(c['axes'])}, {c['bytes'] / 1e6:.2f} MB)"
                for c in report["collectives"]
            ]
            rows.append(
                [
                    f"{size}-{way}",
                    f"{report['topology']} ({mesh or 'one device'}), {len(report['lanes'])} "
                    f"languages of {report['batch_size']} rows",
                    *(f"{cycles[way]:.3f}", change, f"{rest[way]:.3f}", charged_change),
                    ", ".join(collectives) or "none",
                    f"{report['hbm_bytes_per_chip'] / 1e9:.3f}",
                ]
            )
    head = ["step", "on", "ms", "against mse", "ms uncounted", "with it", "collectives"]
    return table([*head, "GB a chip"], rows)


def _rows(folder: Path) -> Iterator[dict]:
    """The rows of `launch/benchmark.py replay` that are kept in a folder."""
    for path in sorted(folder.glob("cost-*.jsonl")):
        for line in path.read_text().splitlines():
            yield _parsed(path, line)


def _parsed(path: Path, text: str) -> dict:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: no JSON ({error})") from None
