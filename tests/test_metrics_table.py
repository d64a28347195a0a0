"""The table of docs/metrics.md: its own computations agree with ours, and its variants differ."""

import numpy as np
import pytest

from launch.benchmarks.metrics import COLUMNS, _markdown, independent, variants
from signllm_jax.metrics.pairs import score_clips, summarize
from signllm_jax.poses.clip import PoseClip


@pytest.fixture(scope="module")
def clips():
    random = np.random.default_rng(0)
    steps = [random.normal(0, 0.1, (frames, 50, 3)).cumsum(0) for frames in (9, 12)]
    return [PoseClip(s.astype(np.float32), np.ones(s.shape[:2], np.float32), 25.0) for s in steps]


def test_the_independent_figures_are_ours(clips):
    scores = score_clips(clips, clips[::-1])
    for i, pair in enumerate(zip(clips, clips[::-1])):
        for name, value in independent(*pair).items():
            assert scores[name][i] == pytest.approx(value, abs=1e-4), name


def test_every_variant_is_another_and_has_a_row(clips):
    made = variants(clips, clips)
    table = {name: summarize(score_clips(clips, produced)) for name, produced in made.items()}
    assert [metrics["collapse"] for metrics in table.values()] == [False] * 4 + [True, False]
    assert [metrics["dtw"] > 1e-4 for metrics in table.values()] == [False] + [True] * 5
    assert len(made["warped in time (a tenth shorter)"][1]) == 10
    lines = _markdown(table, {"dtw": 3e-7}, 2).splitlines()
    assert len(lines) == 2 + len(COLUMNS) + 2
    assert all(line.count("|") == 1 + len(made) + 1 + 1 for line in lines[:-2])
    assert lines[2].startswith("| DTW") and lines[2].endswith("| 3e-07 |")
