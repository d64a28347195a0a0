"""The targets of the study of variety, and by how much the figures miss them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from signllm_jax.core import markdown


class Target(NamedTuple):
    """The target of one figure.

    Attributes:
        title: Title of the figure.
        name: Name of the figure in a half of the summary.
        low: Least value.
        high: Greatest value.
        form: Format specification of the values.
        beside: Name of a figure that is subtracted from it; "" = none.
    """

    title: str
    name: str
    low: float
    high: float
    form: str = ".3f"
    beside: str = ""


ANY = float("inf")
SIGNERS = (
    Target("CER beyond real takes'", "cer", -ANY, 0.03, ".1%", "cer_real"),
    Target("travel, filtered", "travel", 0.9, 1.1),
    Target("speed, filtered", "speed", 0.9, 1.1),
    Target("raw jerk", "raw_jerk", -ANY, 1.5),
    Target("raw travel", "raw_travel", -ANY, 1.15),
    Target("Fréchet", "frechet", -ANY, 0.04),
    Target("diversity / real", "diversity_over_real", 0.75, ANY),
    Target("best of 4 / mean pose", "best_of_4_over_mean_pose", -ANY, 0.8),
    Target("mixed hands", "mixed_hands", -ANY, 0.005, ".1%"),
    Target("left-handed beside real", "left_handed", -0.03, 0.03, "+.1%", "real_left_handed"),
)
TAKES = (
    Target("sign read / real", "sign_read_over_real", 0.9, ANY),
    Target("travel, filtered", "travel", 0.9, 1.1),
    Target("tstd / real", "tstd_over_real", 0.9, 1.1),
    Target("diversity / real", "diversity_over_real", 0.75, 1.25),
)


def table(targets: tuple[Target, ...], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The targets, the figures of each row, and by how much they miss (in brackets).

    Args:
        targets: Targets of a half of the study.
        rows: Title of a row -> its figures.
    """
    lines = [
        [target.title, _asked(target), *(_reached(target, row) for row in rows.values())]
        for target in targets
    ]
    return markdown.table(["", "asked", *rows], lines)


def missed(target: Target, value: float) -> float:
    """How far a value is outside of its target: below 0 where it is too small, 0 inside."""
    return min(0.0, value - target.low) + max(0.0, value - target.high)


def _asked(target: Target) -> str:
    low, high = (format(bound, target.form) for bound in (target.low, target.high))
    if target.low == -ANY:
        return f"at most {high}"
    return f"at least {low}" if target.high == ANY else f"{low} to {high}"


def _reached(target: Target, row: Mapping[str, Any]) -> str:
    if target.name not in row:
        return markdown.MISSING
    value = row[target.name] - row.get(target.beside, 0.0)
    off = missed(target, value)
    shown = format(value, target.form)
    return f"{shown} **(missed by {abs(off):{target.form.lstrip('+')}})**" if off else shown
