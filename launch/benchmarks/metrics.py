"""The pose metrics on real continuous signing: do they order clips as they should?

    python launch/benchmark.py metrics --phoenix=DIR [--document=docs/metrics.md]

DIR has `dev.skels` and `train.skels` of PHOENIX-2014T. Every dev clip is scored against itself,
itself warped in time, itself with noise, the mean pose of train, and the next clip. The last row
has the largest difference, over all clips, from computations in NumPy and SciPy that share no code
with ours. With --document the table is written between the marks of the file.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from launch.benchmarks.rows import clocks, row, since
from signllm_jax.core import markdown
from signllm_jax.core.errors import ConfigError
from signllm_jax.eval.pages import POSE
from signllm_jax.eval.results import write_readme
from signllm_jax.metrics.catalogue import cell, heading
from signllm_jax.metrics.pairs import held, mean_pose, score_clips, summarize
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.skels import read_skels

PHOENIX = flags.DEFINE_string("phoenix", None, "folder of dev.skels and train.skels")
DOCUMENT = flags.DEFINE_string("document", None, "Markdown file to write the table into")

NOISE = (0.01, 0.05)  # shoulder widths
COLUMNS = (
    *(name for name in POSE if name != "wrist_travel_ratio"),
    *("hand_travel_ratio", "wrist_travel_ratio", "duration_ratio", "collapse"),
)


def variants(clips: Sequence[PoseClip], train: Sequence[PoseClip]) -> dict[str, list[PoseClip]]:
    """Name -> clips in place of productions; the same on every call."""
    random = np.random.default_rng(0)

    def warped(clip):
        frames = np.sort(random.integers(0, len(clip), int(0.9 * len(clip))))
        return PoseClip(clip.positions[frames], clip.confidence[frames], clip.fps)

    def noised(clip, size):
        noise = random.normal(0, size, clip.positions.shape)
        return PoseClip((clip.positions + noise).astype(np.float32), clip.confidence, clip.fps)

    pose = mean_pose(train)
    return {
        "itself": list(clips),
        "warped in time (a tenth shorter)": [warped(clip) for clip in clips],
        **{f"noise of {size}": [noised(clip, size) for clip in clips] for size in NOISE},
        "mean pose of train, held": [held(pose, clip) for clip in clips],
        "the next clip": [*clips[1:], clips[0]],
    }


def independent(reference: PoseClip, produced: PoseClip) -> dict[str, float]:
    """Metrics of one pair in float64 by NumPy and SciPy, for clips that show every joint."""
    a, b = (clip.positions.astype(np.float64) for clip in (reference, produced))
    by_joint = np.stack([cdist(a[:, j], b[:, j]) for j in range(a.shape[1])])
    moving = np.ptp(a, axis=0).max(-1) > 1e-5
    flat = a.reshape(len(a), -1), b.reshape(len(b), -1)
    total, _, _ = _walk(by_joint[moving].mean(0))
    _, length, along = _walk(cdist(*flat), by_joint.mean(0))
    times = np.linspace(0, len(b) - 1, len(a))
    columns = [np.interp(times, np.arange(len(b)), column) for column in flat[1].T]
    apart = a - np.stack(columns, 1).reshape(a.shape)
    figures = {
        "dtw": total / max(len(a), len(b)),
        "dtw_mje": along / length,
        "ndtw_mje": float(np.mean([_walk(cost)[0] for cost in by_joint])),
        "progressive_dtw": _walk(cdist(*flat, "cityblock"))[0] / len(a),
    }
    for order, name in enumerate(("mje", "velocity_error", "acceleration_error")):
        figures[name] = float(np.linalg.norm(np.diff(apart, order, axis=0), axis=-1).mean())
    for name, groups in {"body": ("body",), "hands": ("left_hand", "right_hand")}.items():
        errors = []
        for group in groups:
            joints = list(reference.skeleton.groups[group])
            for real, made in zip(a[:, joints], (a - apart)[:, joints]):
                x, y = real - real.mean(0), made - made.mean(0)
                turned = Rotation.align_vectors(x, y)[0].apply(y)
                scale = (turned * x).sum() / (turned * turned).sum()
                errors += np.linalg.norm(x - scale * turned, axis=-1).tolist()
        figures[f"pa_mpjpe_{name}"] = float(np.mean(errors))
    return figures


def _walk(cost: np.ndarray, along_path: np.ndarray | None = None) -> tuple[float, int, float]:
    """The textbook recursion: accumulated cost, length of the path, sum of `along_path` on it."""
    n, m = cost.shape
    table = np.full((n + 1, m + 1), np.inf)
    table[0, 0] = 0
    came = np.zeros((n + 1, m + 1), int)
    steps = ((1, 1), (1, 0), (0, 1))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            before = table[i - 1, j - 1], table[i - 1, j], table[i, j - 1]
            came[i, j] = best = min(range(3), key=before.__getitem__)
            table[i, j] = cost[i - 1, j - 1] + before[best]
    i, j, length, along = n, m, 0, 0.0
    while along_path is not None and (i, j) != (0, 0):
        length, along = length + 1, along + along_path[i - 1, j - 1]
        i, j = i - steps[came[i, j]][0], j - steps[came[i, j]][1]
    return float(table[n, m]), length, float(along)


def rows() -> Iterator[dict]:
    """Yields a row for each variant with all its figures, and one with the largest differences."""
    if not PHOENIX.value:
        raise ConfigError("--phoenix is missing: the folder of dev.skels and train.skels")
    folder = Path(PHOENIX.value)
    clips, train = (
        [clip for clip in read_skels(folder / f"{split}.skels", fps=25.0) if clip is not None]
        for split in ("dev", "train")
    )
    table: dict[str, dict] = {}
    largest: dict[str, float] = {}
    for name, produced in variants(clips, train).items():
        began = clocks()
        scores = score_clips(clips, produced)
        table[name] = summarize(scores)
        for i, pair in enumerate(zip(clips, produced)):
            for metric, value in independent(*pair).items():
                apart = abs(float(scores[metric][i]) - value)
                largest[metric] = max(largest.get(metric, 0.0), apart)
        shown = {metric: table[name][metric] for metric in COLUMNS}
        yield row("metrics", name, *since(began), len(clips), "pairs", **shown)
    variant = "largest difference from NumPy and SciPy"
    yield row("metrics", variant, 0.0, 0.0, len(clips), "pairs", **largest)
    if DOCUMENT.value:
        write_readme(DOCUMENT.value, _markdown(table, largest, len(clips)))


def _markdown(table: dict[str, dict], largest: dict[str, float], count: int) -> str:
    lines = []
    for key in COLUMNS:
        difference = f"{largest[key]:.0e}" if key in largest else ""
        lines.append([heading(key), *(cell(row, key) for row in table.values()), difference])
    written = markdown.table(["metric", *table, "*largest difference*"], lines)
    return f"{written}\n\n{count} dev clips; noise and lengths in shoulder widths."
