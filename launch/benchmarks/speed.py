"""Writes the page of speed from kept lines of the other benchmarks: `make speed`.

    python launch/benchmark.py speed --document=docs/speed.md

The measurements are JSON lines in the folder beside the page that has the page's name
(`docs/speed/train-5.jsonl`, ...). The figure of cost against work is written to `speed.png`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from absl import flags

from launch.benchmarks import quoted, targets
from signllm_jax.core import markdown
from signllm_jax.core.errors import ConfigError, DataError

DOCUMENT = flags.DEFINE_string(
    "document", "docs/speed.md", "Markdown file to write the tables into"
)
Columns = Mapping[str, str | Callable[[Mapping], str]]
"""Head of a column -> format of its cells with the fields of a row, or a function of the row."""


def rows() -> Iterator[dict]:
    """Writes the page and its figure; yields the lines that they are made from."""
    from signllm_jax.core.version import versions
    from signllm_jax.eval.plots import plot_costs
    from signllm_jax.eval.provenance import PACKAGES, hardware
    from signllm_jax.eval.results import write_readme

    page = Path(DOCUMENT.value)
    measured = read(page.with_suffix(""))
    machine = [f"{name} {value}" for name, value in (hardware() | versions(*PACKAGES)).items()]
    write_readme(str(page), f"{tables(measured)}\n\nMeasured on: {', '.join(machine)}.")
    scale = page.with_name("scale")
    more = read(scale) if scale.is_dir() else []
    held = targets.Measured([*measured, *more], targets.slices(page.with_name("slices")))
    write_readme(str(page), targets.table(held), "targets")
    write_readme(str(page), quoted.table(measured), "quoted")
    plot_costs(costs(measured), page.with_suffix(".png"))
    yield from measured


def read(folder: Path) -> list[dict]:
    """The JSON lines of all files of a folder, each with the name of its `file`.

    Raises ConfigError where there is no line, DataError naming a line that is no JSON object.
    """
    lines = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                lines.append({"file": path.stem, **json.loads(line)})
            except ValueError:
                raise DataError(f"{path}:{number}: no JSON object") from None
    if not lines:
        raise ConfigError(f"{folder}: no lines of benchmarks; `make speed` writes them")
    return lines


def tables(measured: Sequence[Mapping]) -> str:
    """The tables of the page, of the benchmarks that were run.

    Args:
        measured: Rows of `read`.
    """
    compared = [row for row in measured if "torch" in row]
    parts = []
    for name, (title, columns) in _TABLES.items():
        rows = [
            r for r in measured if r["benchmark"] == name and ("torch" in r) == (name == "ratio")
        ]
        peak = [row["per_second"] / 1e9 for row in rows if row["variant"] == "matmul_peak"]
        lines = [
            [
                form.format(**row) if isinstance(form, str) else form(row)
                for form in columns.values()
            ]
            for row in rows
            if row["variant"] != "matmul_peak"
        ]
        if lines:
            note = _machine(compared) if name == "ratio" else _note(rows)
            note += f" Matrix peak in the same runs: {_span(peak, '.0f')} GFLOP/s." if peak else ""
            parts += [f"## {title}", markdown.table([*columns], lines), note]
    return "\n\n".join(parts)


def _note(rows: Sequence[Mapping]) -> str:
    """A sentence that says over what the figures of a table are taken."""
    if "seeds" in rows[0]:
        return "Means and standard deviations over seeds."
    return "One round." if all(row.get("rounds") == 1 for row in rows) else "Medians of rounds."


def _machine(compared: Sequence[Mapping]) -> str:
    """The peak rates of the machine in the run of the comparison."""

    def peak(name: str, threads: int) -> str:
        rows = [r for r in compared if r["variant"] == name and r["threads"] == threads]
        return _span([row["per_second"] / 1e9 for row in rows], ".0f")

    rates = [
        f"with {count} of {compared[0]['cores']} cores a matrix peak of "
        f"{peak('matmul_peak', count)} GFLOP/s and {peak('read_bandwidth', count)} GB/s read"
        for count in sorted({row["threads"] for row in compared})
    ]
    flags = ", ".join(compared[0]["instructions"])
    return f"Medians of rounds. In the same run: {'; '.join(rates)}. The processor has {flags}."


def costs(measured: Sequence[Mapping]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """The panels of the figure: by the number of languages, and by the length of the clips.

    Returns:
        Label of the axis -> name of the line -> (size, milliseconds per step).
    """
    kinds = {"languages": ("languages", "languages"), "frames": ("row_frames", "frames of a clip")}
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in measured:
        kind = row["variant"].partition("-")[0]
        if row["benchmark"] == "work" and kind in kinds:
            key, label = kinds[kind]
            lines = panels.setdefault(label, {"wall": [], "CPU": []})
            lines["wall"].append((row[key], 1e3 * row["step_seconds"]))
            lines["CPU"].append((row[key], 1e3 * row["step_cpu_seconds"]))
    return panels


def _held(row: Mapping) -> str:
    held = row.get("resident_mb")
    return f"{min(held)} to {max(held)}" if held else ""


def _span(values: Sequence[float], form: str) -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _words(row: Mapping) -> str:
    return row["variant"].replace("-", " ")


_RATE = "{per_second:,.0f} ({per_second_low:,.0f} to {per_second_high:,.0f})"
_RATES: Columns = {"frames/s (range)": _RATE, "frames a CPU second": "{per_cpu_second:,.0f}"}
_TABLES: dict[str, tuple[str, Columns]] = {
    "ratio": (
        "Beside Progressive Transformers",
        {
            "": "{variant}",
            "threads": "{threads}",
            "times its frames/s (range)": "{times_peer:.2f} ({low:.2f} to {high:.2f})",
            "a CPU second (range)": (
                "{times_peer_of_cpu:.2f} ({low_of_cpu:.2f} to {high_of_cpu:.2f})"
            ),
            "the peer": "PyTorch {torch}, {peer}",
        },
    ),
    "before": (
        "Beside an earlier version",
        {
            "": "{variant}",
            "times its rate (range)": "{times_before:.2f} ({low:.2f} to {high:.2f})",
            "by a CPU second": "{per_cpu_second:,.4g}",
            "of the earlier one": "{per_cpu_second_before:,.4g}",
            "of": "{unit}",
        },
    ),
    "demos": (
        "The demos of that comparison",
        {
            "": lambda row: "earlier" if row["variant"] == "before" else "ours",
            "seeds": "{seeds}",
            "CER": "{cer:.1%} ± {cer_deviation:.1%}",
            "DTW / mean pose": "{dtw_mean_pose_ratio:.3f} ± {dtw_mean_pose_ratio_deviation:.3f}",
            "hand travel": "{hand_travel_ratio:.3f} ± {hand_travel_ratio_deviation:.3f}",
        },
    ),
    "train": (
        "Training",
        {
            "rows": "{variant}",
            "of a batch": "{rows}",
            **_RATES,
            "share of the peak": "{flops_share:.0%}",
            "by CPU time": "{flops_share_of_cpu:.0%}",
            "padding": "{padding:.1%}",
        },
    ),
    "decode": (
        "Generation",
        {
            "": lambda row: row["variant"].partition("-")[0],
            "frames": "{length}",
            "clips": "{clips}",
            **_RATES,
            "times the uncached rate": (
                lambda row: f"{row['over_uncached']:.1f}" if "over_uncached" in row else ""
            ),
        },
    ),
    "input": (
        "Input",
        {
            "run": "{file}",
            "input": "{variant}",
            **_RATES,
            "times the step's": "{over_step:.1f}",
            "by CPU time": "{over_step_of_cpu:.1f}",
            "MB held": _held,
        },
    ),
    "start": (
        "From the command to the first step",
        {
            "programs": "{variant}",
            "seconds (range)": lambda row: "{:.1f} ({:.1f} to {:.1f})".format(
                row["wall_seconds"], 1 / row["per_second_high"], 1 / row["per_second_low"]
            ),
            "CPU seconds": "{cpu_seconds:.1f}",
            "starts": "{rounds}",
        },
    ),
    "prepare": (
        "Preparing a corpus",
        {
            "by": "{variant}",
            "clips": "{clips:,}",
            "clips a CPU second": "{per_cpu_second:.1f}",
            "CPU ms a clip": lambda row: f"{1e3 / row['per_cpu_second']:.0f}",
            "CPU seconds of the start": "{start:.0f}",
        },
    ),
    "serve": (
        "Serving",
        {
            "": _words,
            "words/s (range)": _RATE,
            "CPU ms a word": lambda row: f"{1e3 / row['per_cpu_second']:.1f}",
            "ms to an answer: median, p95": lambda row: ", ".join(
                f"{row[name]:.0f}" for name in ("median_ms", "p95_ms") if name in row
            ),
        },
    ),
    "work": (
        "Cost against work",
        {
            "": _words,
            "frames a step": "{step_frames:.0f}",
            "ms a step": lambda row: f"{1e3 * row['step_seconds']:.0f}",
            "CPU ms": lambda row: f"{1e3 * row['step_cpu_seconds']:.0f}",
            "µs a frame": lambda row: f"{1e6 / row['per_second']:.1f}",
            "share of the peak": "{flops_share:.0%}",
        },
    ),
}
"""Benchmark -> title and columns of its table, in the order of the page."""
