"""The targets of speed and the measured figures: a table of docs/speed.md.

Every target has a function that finds its figure among the kept lines of the benchmarks and the
kept reports of compiled slices. The table shows which figures are missing and which miss their
target.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from launch.benchmarks import bounds
from signllm_jax.core import markdown


class Measured(NamedTuple):
    """The measurements that the targets are compared with.

    Attributes:
        rows: Lines of the benchmarks, see `speed.read`.
        slices: Name of a report in docs/slices -> the report.
    """

    rows: Sequence[Mapping]
    slices: Mapping[str, Mapping]


Figure = Callable[[Measured], float | None]


class Target(NamedTuple):
    """A figure with its limit.

    Attributes:
        what: Name of the figure.
        asked: Limit of the figure.
        least: Whether the figure should be at least the limit; otherwise at most.
        form: Format of the limit and the figure, with `{}` in place of the number.
        figure: Function that finds the figure.
        bound: What limits the figure, for the case that the target is missed.
    """

    what: str
    asked: float
    least: bool
    form: str
    figure: Figure
    bound: str = ""


def table(measured: Measured) -> str:
    """A row for each target: the limit, the measured figure, and the bound of a missed one."""
    head = ["", "asked", "measured", "what bounds it"]
    return markdown.table(head, [_row(target, target.figure(measured)) for target in TARGETS])


def reached(target: Target, figure: float) -> bool:
    """Whether a figure is within its limit."""
    return figure >= target.asked if target.least else figure <= target.asked


def missed_by(target: Target, figure: float) -> float:
    """The distance of a figure from its limit as a share of the limit; 0 where it is reached."""
    return 0.0 if reached(target, figure) else abs(figure / target.asked - 1)


def slices(folder: Path) -> dict[str, dict]:
    """The reports of a folder by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _row(target: Target, figure: float | None) -> list[str]:
    asked = f"{'≥' if target.least else '≤'} {target.form.format(target.asked)}"
    if figure is None:
        return [target.what, asked, "no record", ""]
    shown = target.form.format(figure)
    if reached(target, figure):
        return [target.what, asked, f"**{shown}**", ""]
    return [target.what, asked, f"{shown}, {missed_by(target, figure):.0%} off", target.bound]


def _line(measured: Measured, benchmark: str, variant: str, **fields: object) -> Mapping | None:
    wanted = {"benchmark": benchmark, "variant": variant, **fields}
    return next((row for row in measured.rows if wanted.items() <= row.items()), None)


def _of(benchmark: str, variant: str, field: str, **fields: object) -> Figure:
    """A field of a line that has the other fields."""

    def figure(measured: Measured) -> float | None:
        line = _line(measured, benchmark, variant, **fields)
        return None if line is None else line[field]

    return figure


def _before(what: str, variant: str, asked: float, bound: str) -> Target:
    """A target of a rate divided by that of the earlier version."""
    return Target(what, asked, True, _TIMES, _of("before", variant, "times_before"), bound)


def _plan(what: str, variant: str, field: str, asked: float, form: str) -> Target:
    """A target of the data of 2 million clips."""
    return Target(what, asked, False, form, _of("plan", variant, field, clips=2_000_000))


def _beside_the_model(measured: Measured) -> float | None:
    """CPU milliseconds per served word with eight clients, without those of the model."""
    lines = [_line(measured, "serve", name) for name in ("clients-8", "model-8")]
    if None in lines:
        return None
    served, model = (1e3 / line["per_cpu_second"] for line in lines if line)
    return served - model


def _slice(name: str, field: str, scale: float = 1.0) -> Figure:
    """A field of the report of a slice."""

    def figure(measured: Measured) -> float | None:
        value = measured.slices.get(name, {}).get(field)
        return None if value is None else value * scale

    return figure


def _crossed(measured: Measured) -> float | None:
    """The greatest number of bytes that a training step of a slice sends between languages."""
    sent = [
        report["cross_language_bytes"]
        for report in measured.slices.values()
        if report["program"] == "train_step" and "cross_language_bytes" in report
    ]
    return float(max(sent)) if sent else None


_TIMES, _SHARE = "{:.2f} times", "{:.1%}"
_DECODERS = (
    ("generation in one pass beside the earlier decoder", "decode-parallel", bounds.PRODUCTS),
    ("the same with patches of 8 frames", "decode-patches", bounds.PRODUCTS),
    ("autoregressive generation beside the earlier one", "decode", bounds.WEIGHTS),
)
"""Name of the figure, variant of `before.py`, and bound."""
_LIMITS = {
    **{("decode-parallel", 1): 4.0, ("decode-parallel", 8): 3.0},
    **{("decode-patches", 1): 20.0, ("decode-patches", 8): 15.0},
    **{("decode", 1): 1.0, ("decode", 8): 1.3},
}
"""Variant of `before.py` and number of clips that are generated together -> limit."""
_SLICES = {
    "base on v5e:4x4, 32 rows": ("base-v5e-4x4", 0.48),
    "base on v5e:4x4, 128 rows": ("base-v5e-4x4-128rows", 0.52),
    "base on v6e:4x4, 32 rows": ("base-v6e-4x4", 0.28),
    "base on v5p:2x2x4, 32 rows (aim)": ("base-v5p-2x2x4", 0.40),
    "super on v5e:4x4 (aim)": ("super-v5e-4x4", 0.45),
    "large on v5e:16x16 (aim)": ("large-v5e-16x16", 0.42),
}
"""Name of a slice -> its report, and the utilization that is asked for."""
TARGETS = (
    *(
        Target(
            f"training beside the peer, {rows} rows, threads: {threads}",
            *(1.4, True, _TIMES),
            _of("ratio", f"train-{rows}rows-threads-{threads}", "times_peer"),
        )
        for rows in (8, 16)
        for threads in (1, 2)
    ),
    Target(
        "training, 16 rows, share of the matrix peak by CPU time",
        *(0.7, True, _SHARE),
        _of("train", "packed", "flops_share_of_cpu", file="train-16"),
        bounds.PEAK,
    ),
    _before("the demo's whole command beside the earlier one", "demo", 2.0, bounds.DEMO),
    *(
        Target(
            f"generation in one pass beside the peer, clips: {clips}, by CPU second",
            *(100.0, True, "{:.0f} times"),
            _of("ratio", f"decode-parallel-{clips}-1-300", "times_peer_of_cpu"),
        )
        for clips in (1, 8)
    ),
    *(
        _before(f"{what}, clips: {n}", f"{variant}-{n}", _LIMITS[variant, n], bound)
        for what, variant, bound in _DECODERS
        for n in (1, 8)
    ),
    Target(
        "generation in one pass on v5e:4x4, 8 clips a language, a frame",
        *(5.0, False, "{:.2f} µs"),
        _slice("generation-parallel-v5e-4x4", "microseconds_per_frame"),
    ),
    Target(
        "autoregressive generation on v5e:4x4, 8 clips a language, a frame",
        *(60.0, False, "{:.1f} µs"),
        _slice("generation-autoregressive-v5e-4x4", "microseconds_per_frame"),
        bounds.OPERATIONS,
    ),
    Target(
        "served word, CPU beside the model's",
        *(1.0, False, "{:.2f} ms", _beside_the_model, bounds.HTTP),
    ),
    _before("served words beside the earlier server, autoregressive", "serve", 3.0, bounds.HTTP),
    _before(
        "served words beside the earlier server, parallel decoder", "serve-demo", 5.0, bounds.HTTP
    ),
    Target(
        "served word, 95% of answers to 8 clients",
        *(60.0, False, "{:.0f} ms", _of("serve", "clients-8", "p95_ms"), bounds.WAITING),
    ),
    *(
        Target(
            f"utilization, {what}",
            *(asked, True, _SHARE, _slice(name, "cycle_utilization"), bounds.STEP),
        )
        for what, (name, asked) in _SLICES.items()
    ),
    Target(
        "memory of a chip, base on v5e:4x4, 32 rows",
        *(0.93, False, "{:.2f} GB"),  # a tenth above the value when the target was set
        _slice("base-v5e-4x4", "hbm_bytes_per_chip", 1e-9),
    ),
    Target("bytes between languages in any training step", 0.0, False, "{:.0f}", _crossed),
    _plan(
        "2 million clips, seconds from start to first batch",
        *("plan", "wall_seconds", 2.0, "{:.2f} s"),
    ),
    _plan("the same, resumed in epoch 1,000", "resume", "wall_seconds", 2.0, "{:.2f} s"),
    _plan("2 million clips, bytes a clip and host", "plan", "bytes_per_clip", 200.0, "{:.0f}"),
    _before("clips prepared beside the earlier command, one process", "prepare", 3.0, bounds.CLIPS),
)
"""All targets, in the order of the table."""
