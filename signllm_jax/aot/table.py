"""The table of slices: one row for each kept `aot.json`."""

import json
from pathlib import Path

from signllm_jax.aot.estimate import UNCOUNTED_LIMIT
from signllm_jax.errors import ConfigError

_HEAD = """# Slices

Programs compiled ahead of time for TPU slices, without one at hand. Milliseconds and utilisation
are a **compiler estimate, interconnect excluded**: the compiler's cycle counts over the published
clock, and the products that the model asks for (three times the forward pass) over the published
peak. Nothing here was run. The interconnect is estimated beside, from bytes and published link
speeds, as if nothing overlapped. Utilisation is claimed where at most {limit:.0%} of the time is of
instructions without a cycle count, and none of them a kernel. Memory is a chip's, the replay buffer included.

"""
_COLUMNS = (
    *("size", "rows a language", "slice", "mesh", "GB a chip", "collectives"),
    *("bytes between languages", "ms", "interconnect ms", "utilisation", "compile CPU s"),
)
_TAIL = """
Written by `python launch/compile.py --table=docs/slices.md --readme=README.md` from the reports in
`docs/slices/`, each of them an `aot.json` of `launch/compile.py`.
"""


def write_page(folder: Path) -> str:
    """A page of the reports of a folder: the table, and what its figures are."""
    return _HEAD.format(limit=UNCOUNTED_LIMIT) + write_table(folder) + _TAIL


def write_table(folder: Path) -> str:
    """The table, from the reports `*.json` of a folder, and the versions they were made with.

    Raises:
        ConfigError: there is none, or one cannot be read.
    """
    reports = [_read(path) for path in sorted(folder.glob("*.json"))]
    if not reports:
        raise ConfigError(f"--table: no report in {folder}: --output={folder}/NAME.json makes one")
    reports.sort(key=lambda r: (r["program"] != "train_step", r["parameters"], r["chips"]))
    rows = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_row, reports)]
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    versions = sorted({_versions(report) for report in reports})
    return f"{lines}\nVersions: {'; '.join(versions)}.\n"


def _read(path: Path) -> dict:
    try:
        report = json.loads(path.read_text())
        _row(report)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"--table: {path}: no report of launch/compile.py: {error}") from error
    return report


def _row(report: dict) -> list[str]:
    size = f"{report['size']}, {len(report['lanes'])} x "
    size += _count(report["parameters"] / len(report["lanes"]))
    if report.get("remat", "none") != "none":
        size += f", remat of all but {report['remat']}"
    if report.get("row_dropout"):
        size += ", dropout by row"
    if report.get("attention", "xla") != "xla" and report["program"] == "train_step":
        size += f", {report['attention']} attention"
    if "replay_capacity" in report:
        size += f", buffer {report['replay_capacity']:,} clips"
    if report["program"] == "generate":
        size += f", generation of {report['max_frames']} frames"
    time = f"{report['cycle_milliseconds']:.2f}" if "cycle_milliseconds" in report else ""
    if "microseconds_per_frame" in report:
        time += f" ({report['microseconds_per_frame']:.0f} µs a frame)"
    utilization = report.get("cycle_utilization")
    memory = f"{report['hbm_bytes_per_chip'] / 1e9:.2f} of {report['hbm_limit_bytes'] / 1e9:.1f}"
    return [
        size,
        str(report["batch_size"]),
        report["topology"],
        ", ".join(f"{axis} {count}" for axis, count in report["mesh"].items()),
        memory if report["fits"] else f"{memory}: does not fit",
        "; ".join(
            f"{one['count']} {one['kind']} over {'*'.join(one['axes']) or 'none'}, "
            f"{one['bytes'] / 1e6:.0f} MB"
            for one in report.get("collectives", ())
        ),
        str(report.get("cross_language_bytes", "")),
        time,
        f"{report['interconnect_milliseconds']:.2f}"
        if "interconnect_milliseconds" in report
        else "",
        "" if utilization is None else f"{utilization:.1%}",
        f"{report['compile_cpu_seconds']:.0f}",
    ]


def _count(parameters: float) -> str:
    return f"{parameters / 1e9:.2f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"


def _versions(report: dict) -> str:
    return ", ".join(f"{name} {number}" for name, number in report["versions"].items())
