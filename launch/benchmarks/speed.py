"""Writes the page of speed from kept lines of the other benchmarks: `make speed`.

    python launch/benchmark.py speed --document=docs/speed.md

What was measured lies as JSON lines in the folder beside the page that has its name
(`docs/speed/train-5.jsonl`, ...), the figure of cost against work is written to `speed.png`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from absl import flags

from launch.benchmarks import quoted, targets
from signllm_jax.core import markdown
from signllm_jax.core.errors import ConfigError, DataError

DOCUMENT = flags.DEFINE_string(
    "document", "docs/speed.md", "Markdown file to write the tables into"
)


def rows() -> Iterator[dict]:
    """Writes the page and its figure; yields the lines that they are made of."""
    from signllm_jax.core.version import versions
    from signllm_jax.eval.plots import plot_costs
    from signllm_jax.eval.provenance import PACKAGES, hardware
    from signllm_jax.eval.results import write_readme

    page = Path(DOCUMENT.value)
    measured = read(page.with_suffix(""))
    said = [f"{name} {value}" for name, value in (hardware() | versions(*PACKAGES)).items()]
    write_readme(str(page), f"{tables(measured)}\n\nMeasured on: {', '.join(said)}.")
    scale = page.with_name("scale")
    more = read(scale) if scale.is_dir() else []
    held = targets.Measured([*measured, *more], targets.slices(page.with_name("slices")))
    write_readme(str(page), targets.table(held), "targets")
    write_readme(str(page), quoted.table(measured), "quoted")
    plot_costs(costs(measured), page.with_suffix(".png"))
    yield from measured


def read(folder: Path) -> list[dict]:
    """The JSON lines of all files of a folder, each with the name of its `file`.

    Raises ConfigError where there is none, DataError naming a line that is none.
    """
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                found.append({"file": path.stem, **json.loads(line)})
            except ValueError:
                raise DataError(f"{path}:{number}: no JSON object") from None
    if not found:
        raise ConfigError(f"{folder}: no lines of benchmarks; `make speed` writes them")
    return found


def tables(measured: Sequence[Mapping]) -> str:
    """The tables of the page, of the benchmarks that were run.

    Args:
        measured: rows of `read`.
    """
    compared = [row for row in measured if "torch" in row]
    alone = [row for row in measured if "torch" not in row]
    of = {name: [r for r in alone if r["benchmark"] == name] for name in _TITLES}
    of["ratio"] = [row for row in compared if row["benchmark"] == "ratio"]
    parts = []
    for name, (title, head, make) in _TITLES.items():
        peak = [r["per_second"] / 1e9 for r in of[name] if r["variant"] == "matmul_peak"]
        lines = [make(row) for row in of[name] if row["variant"] != "matmul_peak"]
        if name == "ratio" and lines:
            parts += [f"## {title}", markdown.table(head, lines), _machine(compared)]
        elif lines:
            told = f" Matrix peak in the same runs: {_span(peak, '.0f')} GFLOP/s." if peak else ""
            parts += [f"## {title}", markdown.table(head, lines), f"{_of_rounds(of[name])}{told}"]
    return "\n\n".join(parts)


def _of_rounds(found: Sequence[Mapping]) -> str:
    """What the figures of a table are."""
    if "seeds" in found[0]:
        return "Means and standard deviations over seeds."
    return "One round." if all(row.get("rounds") == 1 for row in found) else "Medians of rounds."


def _machine(compared: Sequence[Mapping]) -> str:
    """What the machine could do in the run of the comparison."""

    def of(name: str, threads: int) -> str:
        found = [r for r in compared if r["variant"] == name and r["threads"] == threads]
        return _span([row["per_second"] / 1e9 for row in found], ".0f")

    said = [
        f"with {count} of {compared[0]['cores']} cores a matrix peak of "
        f"{of('matmul_peak', count)} GFLOP/s and {of('read_bandwidth', count)} GB/s read"
        for count in sorted({row["threads"] for row in compared})
    ]
    flags = ", ".join(compared[0]["instructions"])
    return f"Medians of rounds. In the same run: {'; '.join(said)}. The processor has {flags}."


def costs(measured: Sequence[Mapping]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """What the figure shows: a panel by the number of languages and one by the length of clips.

    Returns:
        Label of the axis -> name of the line -> (size, milliseconds a step).
    """
    panels = {"languages": "languages", "frames": "frames of a clip"}
    keys = {"languages": "languages", "frames": "row_frames"}
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in measured:
        kind = row["variant"].partition("-")[0]
        if row["benchmark"] == "work" and kind in panels:
            lines = found.setdefault(panels[kind], {"wall": [], "CPU": []})
            lines["wall"].append((row[keys[kind]], 1e3 * row["step_seconds"]))
            lines["CPU"].append((row[keys[kind]], 1e3 * row["step_cpu_seconds"]))
    return found


def _ratio(row: Mapping) -> list[str]:
    cells = [row["variant"], str(row["threads"])]
    for end in ("", "_of_cpu"):
        low, high = row[f"low{end}"], row[f"high{end}"]
        cells.append(f"{row[f'times_peer{end}']:.2f} ({low:.2f} to {high:.2f})")
    return [*cells, f"PyTorch {row['torch']}, {row['peer']}"]


def _train(row: Mapping) -> list[str]:
    return [
        row["variant"],
        str(row["rows"]),
        *_rate(row),
        f"{row['flops_share']:.0%}",
        f"{row['flops_share_of_cpu']:.0%}",
        f"{row['padding']:.1%}",
    ]


def _decode(row: Mapping) -> list[str]:
    over = row.get("over_uncached")
    return [
        row["variant"].partition("-")[0],
        str(row["length"]),
        str(row["clips"]),
        *_rate(row),
        f"{over:.1f}" if over else "",
    ]


def _input(row: Mapping) -> list[str]:
    held = row.get("resident_mb")
    return [
        row["file"],
        row["variant"],
        *_rate(row),
        f"{row['over_step']:.1f}",
        f"{row['over_step_of_cpu']:.1f}",
        f"{min(held)} to {max(held)}" if held else "",
    ]


def _work(row: Mapping) -> list[str]:
    return [
        row["variant"].replace("-", " "),
        f"{row['step_frames']:.0f}",
        f"{1e3 * row['step_seconds']:.0f}",
        f"{1e3 * row['step_cpu_seconds']:.0f}",
        f"{1e6 / row['per_second']:.1f}",
        f"{row['flops_share']:.0%}",
    ]


def _serve(row: Mapping) -> list[str]:
    waited = [f"{row[name]:.0f}" for name in ("median_ms", "p95_ms") if name in row]
    words, low, high = (row[f"per_second{end}"] for end in ("", "_low", "_high"))
    return [
        row["variant"].replace("-", " "),
        f"{words:,.0f} ({low:,.0f} to {high:,.0f})",
        f"{1e3 / row['per_cpu_second']:.1f}",
        ", ".join(waited),
    ]


def _before(row: Mapping) -> list[str]:
    low, high = row["low"], row["high"]
    return [
        row["variant"],
        f"{row['times_before']:.2f} ({low:.2f} to {high:.2f})",
        f"{row['per_cpu_second']:,.4g}",
        f"{row['per_cpu_second_before']:,.4g}",
        row["unit"],
    ]


def _demos(row: Mapping) -> list[str]:
    cer, dtw, travel = (
        (row[name], row[f"{name}_deviation"])
        for name in ("cer", "dtw_mean_pose_ratio", "hand_travel_ratio")
    )
    return [
        "earlier" if row["variant"] == "before" else "ours",
        str(row["seeds"]),
        "{:.1%} ± {:.1%}".format(*cer),
        "{:.3f} ± {:.3f}".format(*dtw),
        "{:.3f} ± {:.3f}".format(*travel),
    ]


def _prepare(row: Mapping) -> list[str]:
    return [
        row["variant"],
        f"{row['clips']:,}",
        f"{row['per_cpu_second']:.1f}",
        f"{1e3 / row['per_cpu_second']:.0f}",
        f"{row['start']:.0f}",
    ]


def _start(row: Mapping) -> list[str]:
    return [
        row["variant"],
        f"{row['wall_seconds']:.1f} ({1 / row['per_second_high']:.1f} to "
        f"{1 / row['per_second_low']:.1f})",
        f"{row['cpu_seconds']:.1f}",
        str(row["rounds"]),
    ]


def _rate(row: Mapping) -> list[str]:
    rate, low, high = (row[f"per_second{end}"] for end in ("", "_low", "_high"))
    return [f"{rate:,.0f} ({low:,.0f} to {high:,.0f})", f"{row['per_cpu_second']:,.0f}"]


def _span(values: Sequence[float], form: str) -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


_RATES = ["frames/s (range)", "frames a CPU second"]
_TITLES = {
    "ratio": (
        "Beside Progressive Transformers",
        ["", "threads", "times its frames/s (range)", "a CPU second (range)", "the peer"],
        _ratio,
    ),
    "before": (
        "Beside an earlier version",
        ["", "times its rate (range)", "by a CPU second", "of the earlier one", "of"],
        _before,
    ),
    "demos": (
        "The demos of that comparison",
        ["", "seeds", "CER", "DTW / mean pose", "hand travel"],
        _demos,
    ),
    "train": (
        "Training",
        ["rows", "of a batch", *_RATES, "share of the peak", "by CPU time", "padding"],
        _train,
    ),
    "decode": (
        "Generation",
        ["", "frames", "clips", *_RATES, "times the uncached rate"],
        _decode,
    ),
    "input": (
        "Input",
        ["run", "input", *_RATES, "times the step's", "by CPU time", "MB held"],
        _input,
    ),
    "start": (
        "From the command to the first step",
        ["programs", "seconds (range)", "CPU seconds", "starts"],
        _start,
    ),
    "prepare": (
        "Preparing a corpus",
        ["by", "clips", "clips a CPU second", "CPU ms a clip", "CPU seconds of the start"],
        _prepare,
    ),
    "serve": (
        "Serving",
        ["", "words/s (range)", "CPU ms a word", "ms to an answer: median, p95"],
        _serve,
    ),
    "work": (
        "Cost against work",
        ["", "frames a step", "ms a step", "CPU ms", "µs a frame", "share of the peak"],
        _work,
    ),
}
