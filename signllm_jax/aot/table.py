"""The table of slices: one row for each kept `aot.json`."""

import collections
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from signllm_jax.aot.estimate import UNCOUNTED_LIMIT
from signllm_jax.core import markdown
from signllm_jax.core.errors import ConfigError

_HEAD = """# Slices

A slice is a part of a TPU pod. These programs were compiled ahead of time for slices; no slice was
at hand, and nothing here was run. A row is a program (size, languages x parameters), the slice with
its mesh, and the rows of a language in a batch.

Milliseconds and utilization are a **compiler estimate, interconnect excluded**: the compiler's
cycle counts divided by the published clock rate, and the matrix products that the model needs
(three times the forward pass) divided by the published peak. The milliseconds of the interconnect
are estimated separately, from bytes and published link speeds, as if nothing overlapped.
Utilization is claimed where at most {limit:.0%} of the time is of instructions without a cycle
count, and none of them is a kernel. Memory is a chip's, the replay buffer included.

"""
_EXCHANGED = """
## Collectives

What the chips of each program exchange: the collectives by kind and mesh axis, with the bytes of
their results for a chip and step, and how many bytes go from one language's chips to another's.

"""
_SCALING = """
## Weak scaling

Steps that give every chip the same rows, on more and more chips. No byte leaves a language's own
chips at any size. Where `data` splits a language's rows further, gradients are summed over it as
well: once that axis is there, what a step exchanges no longer grows with it. Memory falls as the
replay buffer is spread over more chips. Megabytes are of the collectives' results, for a chip and
step.

"""
_LONG = """
## Long rows

The same frames a step in longer rows, with XLA's attention and with a kernel (`model.attention`).
The compiler does not count a kernel's cycles: a step with kernels takes its milliseconds and
theirs.

"""
_TAIL = """
Written by `python launch/compile.py --table=docs/slices.md` from the reports in
`docs/slices/`, each of them an `aot.json` of `launch/compile.py`.
"""


def write_page(folder: Path) -> str:
    """The page on a folder of reports: its tables, and what their figures mean."""
    page = _HEAD.format(limit=UNCOUNTED_LIMIT) + write_table(folder)
    page += f"{_EXCHANGED}{_table(_EXCHANGED_COLUMNS, _reports(folder))}\n" + write_scaling(folder)
    if (folder / "long").exists():
        reports = _reports(folder / "long")
        reports.sort(key=lambda report: (report["row_frames"], report["uncounted_kernels"]))
        page += f"{_LONG}{_table(_LONG_COLUMNS, reports)}\n"
    return page + _TAIL


def write_table(folder: Path) -> str:
    """The table of the reports `*.json` of a folder, and the versions they were made with.

    Raises:
        ConfigError: There is no report, or one cannot be read.
    """
    reports = _reports(folder)
    versions = sorted({_versions(report) for report in reports})
    return f"{_table(_COLUMNS, reports)}\n\nVersions: {'; '.join(versions)}.\n"


def write_scaling(folder: Path) -> str:
    """The cost of steps with the same rows per chip on more and more chips; empty if none differ.

    Raises:
        ConfigError: There is no report, or one cannot be read.
    """
    alike = collections.defaultdict(list)
    for report in _reports(folder):
        if "collectives" in report and report["program"] == "train_step":
            chip, _, _ = report["topology"].partition(":")
            alike[_size(report), chip, _rows_a_chip(report)].append(report)
    several = [group for group in alike.values() if len({report["chips"] for report in group}) > 1]
    shown = [report for group in several for report in group]
    return f"{_SCALING}{_table(_SCALING_COLUMNS, shown)}\n" if shown else ""


def _reports(folder: Path) -> list[dict]:
    """The reports of a folder in the order of the table; raises ConfigError if there is none."""
    reports = [_read(path) for path in sorted(folder.glob("*.json"))]
    if not reports:
        raise ConfigError(f"--table: no report in {folder}: --output={folder}/NAME.json makes one")
    return sorted(
        reports, key=lambda r: (r["program"] != "train_step", r["parameters"], r["chips"])
    )


def _read(path: Path) -> dict:
    try:
        report = json.loads(path.read_text())
        _table(_COLUMNS | _EXCHANGED_COLUMNS, [report])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"--table: {path}: no report of launch/compile.py: {error}") from error
    return report


def _lanes(report: dict) -> str:
    lanes = len(report["lanes"])
    return f"{report['size']}, {lanes} x {_count(report['parameters'] / lanes)}"


def _size(report: dict) -> str:
    """The size of a program and its settings that are not the default, in words."""
    remat, attention = report.get("remat", "none"), report.get("attention", "xla")
    generates = report["program"] == "generate"
    notes = (
        (remat != "none", f", remat of all but {remat}"),
        (report.get("row_dropout"), ", dropout by row"),
        (attention != "xla" and not generates, f", {attention} attention"),
        ("replay_capacity" in report, f", buffer {report.get('replay_capacity', 0):,} clips"),
        (generates, f", generation of {report.get('max_frames')} frames"),
        (generates and report.get("decoder") == "parallel", " in one pass"),
    )
    return _lanes(report) + "".join(note for applies, note in notes if applies)


def _slice(report: dict) -> str:
    """The slice and its mesh: `v5e:4x4: language 8, fsdp 2`."""
    mesh = ", ".join(f"{axis} {count}" for axis, count in report["mesh"].items())
    return f"{report['topology']}: {mesh}" if mesh else report["topology"]


def _rows_a_chip(report: dict) -> float:
    return report["batch_size"] * len(report["lanes"]) / report["chips"]


def _time(report: dict) -> str:
    """Milliseconds of a chip and of the interconnect, where they are estimated."""
    time = _milliseconds(report)
    if "microseconds_per_frame" in report:
        time += f" ({report['microseconds_per_frame']:.3g} µs a frame)"
    if "interconnect_milliseconds" in report:
        time += f", {report['interconnect_milliseconds']:.2f}"
    return time


def _time_of_kernels(report: dict) -> str:
    time, kernels = _milliseconds(report), report["uncounted_kernels"]
    return f"{time} and {kernels} kernels" if kernels else time


def _memory(report: dict) -> str:
    memory = f"{report['hbm_bytes_per_chip'] / 1e9:.2f} of {report['hbm_limit_bytes'] / 1e9:.1f}"
    return memory if report["fits"] else f"{memory}: does not fit"


def _collectives(report: dict) -> str:
    return "; ".join(
        f"{entry['count']} {entry['kind']} over {'*'.join(entry['axes']) or 'none'}, "
        f"{entry['bytes'] / 1e6:.0f} MB"
        for entry in report.get("collectives", ())
    )


def _column(name: str, form: str = "", scale: float = 1) -> Callable[[dict], str]:
    """Writes a number of a report in units of `scale`, or a text; nothing where it is absent."""

    def write(report: dict) -> str:
        if name not in report:
            return ""
        return format(report[name] / scale if form else report[name], form)

    return write


_milliseconds = _column("cycle_milliseconds", ".2f")


def _count(parameters: float) -> str:
    return f"{parameters / 1e9:.2f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"


def _versions(report: dict) -> str:
    return ", ".join(f"{name} {number}" for name, number in report["versions"].items())


def _table(columns: Mapping[str, Callable[[dict], str]], reports: Sequence[dict]) -> str:
    rows = ([write(report) for write in columns.values()] for report in reports)
    return markdown.table(list(columns), rows, align="l")


_MILLISECONDS = "ms, interconnect ms"
_COLUMNS = {
    "program": lambda report: f"{_size(report)}; {report['batch_size']} rows",
    "slice and mesh": _slice,
    "GB a chip": _memory,
    _MILLISECONDS: _time,
    "utilization": _column("cycle_utilization", ".1%"),
}
_EXCHANGED_COLUMNS = {
    "program": _COLUMNS["program"],
    "slice and mesh": _slice,
    "collectives": _collectives,
    "bytes between languages": _column("cross_language_bytes"),
    "CPU s to compile": _column("compile_cpu_seconds", ".0f"),
}
_SCALING_COLUMNS = {
    "program": lambda report: f"{_size(report)}; {_rows_a_chip(report):g} rows a chip",
    "slice and mesh": lambda report: f"{report['chips']} chips, {_slice(report)}",
    "GB a chip": _column("hbm_bytes_per_chip", ".2f", 1e9),
    "MB in collectives": lambda r: f"{sum(c['bytes'] for c in r['collectives']) / 1e6:,.0f}",
    _MILLISECONDS: _time,
}
_LONG_COLUMNS = {
    "program": lambda r: f"{_lanes(r)}; {r['batch_size']} rows of {r['row_frames']} frames",
    "attention": _column("attention"),
    "GB a chip": _column("hbm_bytes_per_chip", ".2f", 1e9),
    "ms": _time_of_kernels,
    "utilization": _column("cycle_utilization", ".1%"),
}
