"""Our generation beside the figures that papers quote: a table of docs/speed.md."""

import re
from collections.abc import Mapping, Sequence

from launch.benchmarks.rows import clip_figures
from signllm_jax.core import markdown

_OURS = re.compile(
    r"ours-decode-(?P<way>parallel-)?(?P<clips>\d+)-(?P<threads>\d+)-(?P<frames>\d+)"
)
HEAD = ("", "hardware", "clips", "ms a frame", "clips a second", "seconds to the first frame")
OTHERS = (
    ("HybridSign (arXiv 2507.09105)", "not quoted", "60 frames", "98", "", "5.90"),
    ("streaming MDN (arXiv 2506.14677)", "RTX 4070", "", "13", "", ""),
    ("SOKE (arXiv 2411.17799)", "not quoted", "", "", "0.7", ""),
    ("Masked-NAR", "RTX 4090", "", "", "5.7", ""),
)
"""Figures that the authors quote, for other models, lengths and machines."""


def table(measured: Sequence[Mapping]) -> str:
    """Our figures on all threads of the comparison, and theirs; empty where ours are missing.

    Args:
        measured: Rows of `speed.read`.
    """
    matches = [(match, row) for row in measured if (match := _OURS.fullmatch(row["variant"]))]
    most = max((int(match["threads"]) for match, _ in matches), default=0)
    lines = [_line(match, row) for match, row in matches if int(match["threads"]) == most]
    return markdown.table(list(HEAD), [*lines, *map(list, OTHERS)]) if lines else ""


def _line(match: re.Match, row: Mapping) -> list[str]:
    frames, clips = int(match["frames"]), int(match["clips"])
    quoted = clip_figures(row["per_second"], frames, clips)
    return [
        "ours, in one pass" if match["way"] else "ours, autoregressive",
        f"{match['threads']} CPU cores",
        f"{clips} of {frames} frames",
        f"{1e3 / row['per_second']:.2f}",
        f"{quoted['clips_per_second']:.1f}",
        f"{quoted['first_frame_seconds']:.2f}",
    ]
