"""How a text is divided into what is spelled, and clips are joined with pauses."""

import numpy as np
import pytest

from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.join import join_clips
from signllm_jax.text.spelling import spelled_runs

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    "text, runs, marks",
    [
        ("hello", ["hello"], ""),
        ("hello!", ["hello"], "!"),
        ("ice cream", ["ice", "cream"], ""),
        ("U.S.A.", ["U", "S", "A"], "..."),
        ("don't", ["don", "t"], "'"),
        ("\u00bfqu\u200be?", ["qu", "e"], "\u00bf?"),
        ("route 66", ["route", "66"], ""),
        ("a+b", ["a+b"], ""),
        ("?!", [], "?!"),
        ("", [], ""),
    ],
)
def test_a_text_is_divided_at_spaces_and_marks_and_nowhere_else(text, runs, marks):
    assert spelled_runs(text, LETTERS) == (runs, marks)


def test_what_is_a_letter_of_the_alphabet_divides_nothing():
    assert spelled_runs("ice cream, don't", [*LETTERS, " ", "'"]) == (["ice cream", " don't"], ",")


def still(place, frames, missing=()):
    positions = np.full((frames, 50, 3), place, np.float32)
    confidence = np.ones((frames, 50), np.float32)
    confidence[:, list(missing)] = 0
    return PoseClip(positions * (confidence[..., None] > 0), confidence, 25.0)


def test_joints_move_evenly_through_a_pause_where_both_ends_show_them():
    joined = join_clips([still(0, 10), still(1, 5, missing=[7])], 0.2)
    assert len(joined) == 10 + 5 + 5 and joined.fps == 25.0
    np.testing.assert_allclose(joined.positions[10:15, 0, 0], np.arange(1, 6) / 6, atol=1e-6)
    assert not joined.observed[10:, 7].any() and joined.observed[:10, 7].all()
    assert not joined.positions[10:15, 7].any()


def test_one_clip_and_no_pause_change_nothing():
    alone = join_clips([still(1, 4)], 0.4)
    np.testing.assert_array_equal(alone.positions, still(1, 4).positions)
    assert len(join_clips([still(1, 4), still(0, 3)], 0.0)) == 7
