"""How the figures of several runs are written."""

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], form: str) -> str:
    """Mean ± standard deviation, the value itself of one run, a dash of none."""
    if not values:
        return "–"
    mean = form.format(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {form.format(statistics.stdev(values))}"
