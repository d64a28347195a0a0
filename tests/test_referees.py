"""Referees: each fault is seen when it is planted into real takes, and real takes raise nothing."""

import types

import numpy as np
import pytest

from launch.studies import referees as study
from signllm_jax.core.config import Config
from signllm_jax.eval import referees, takes_report, warnings
from signllm_jax.eval.eval_set import EvalSet, Language
from signllm_jax.eval.faults import FAULTS, mirrored
from signllm_jax.eval.judge import Judge
from signllm_jax.eval.report import ALL, Report
from signllm_jax.metrics import variety
from signllm_jax.metrics.hands import hand_use
from signllm_jax.metrics.pairs import held, mean_pose
from signllm_jax.poses.clip import PoseClip

CHEAP = ("collapsed", "averaged", "restless", "one mode", "wrong hand", "another text")
SOME = (5, (3, 3))  # words, and their letters: short clips are cheap


@pytest.fixture(scope="module")
def real():
    """Texts, four takes of each, and four by the other signers."""
    return study.real_takes(*SOME)


@pytest.fixture(scope="module")
def judged():
    """Row -> its figures, and row -> the kinds of its warnings."""
    return study.judged(*SOME, CHEAP)


@pytest.fixture(scope="module")
def judged_too():
    """The same of the other faults."""
    return study.judged(*SOME, [name for name in FAULTS if name not in CHEAP])


def test_real_takes_against_real_takes_raise_nothing(judged):
    figures, said = judged
    assert said["real takes"] == []
    assert referees.fired(figures["real takes"], figures["real takes"]) == set()


SEEN = {
    "collapsed": {"smooth_travel_ratio", "tstd_ratio", "diversity_ratio", "tau2", "frechet"},
    "averaged": {"smooth_speed_ratio", "diversity_ratio", "dtw_best", "frechet"},
    "too long": {"duration_ratio", "smooth_speed_ratio"},
    "too short": {"duration_ratio"},
    "hidden hands": {"joints_missing"},
    "damped": {"smooth_travel_ratio", "tstd_ratio"},
    "restless": {"jerk_ratio", "hand_travel_ratio"},
    "one mode": {"diversity_ratio", "dtw_best"},
    "wrong hand": {"left_handed"},
    "mixed hands": {"mixed_hands"},
    "another text": {"tau3"},
    "one text for all": {"tau1", "tau2", "tau3"},
}


def check(name, judged):
    """The fault is warned of and seen by its figures."""
    figures, said = judged
    assert FAULTS[name].kind in ("", *said[name])
    assert SEEN[name] <= referees.fired(figures[name], figures["real takes"])


@pytest.mark.parametrize("name", CHEAP)
def test_a_planted_fault_is_seen(name, judged):
    check(name, judged)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in CHEAP])
def test_another_planted_fault_is_seen(name, judged_too):
    check(name, judged_too)


def test_by_distance_still_hands_are_better_than_a_real_take(judged):
    figures, _ = judged
    assert figures["collapsed"]["dtw_expected"] < figures["real takes"]["dtw_expected"]


def test_parameters_are_not_the_better_by_which_hands_they_drew(real):
    texts, references, _ = real
    judge = Judge(texts, references, mean_pose(references))
    other = judge(referees.other_takes(texts, references), texts)
    assert other["joints_missing"] > 0.1
    assert other["score"] == pytest.approx(0, abs=0.02)
    assert judge(judge.still, texts)["score"] > 1.9
    hidden = judge(FAULTS["hidden hands"].plant(texts, references, {}), texts)
    assert hidden["joints_hidden"] > 0.5
    assert judge([mirrored(clip) for clip in references], texts)["score"] > 0.5


def test_the_page_marks_what_fires(tmp_path, judged, monkeypatch):
    monkeypatch.setattr(study, "judged", lambda texts: judged)
    page = study.write(tmp_path / "referees.md", 5).read_text("utf-8")
    assert study.FIRES not in page.partition("| real takes |")[2].splitlines()[0]
    for name in CHEAP:
        assert f"| {name} |" in page
    assert study.FIRES in page.partition("| collapsed |")[2].splitlines()[0]


def test_diversity_counts_all_pairs_of_a_text(real):
    _, references, _ = real
    three = [references[0], references[1], references[0]]
    apart = variety.distances([(0, 1)], references, references, moving=False)[0]
    found = variety.diversity(["a"] * 3, three)
    assert found == pytest.approx(apart * 2 / 3, rel=0.02)  # not quite the same both ways
    assert np.isnan(variety.diversity(["a", "b"], references[:2]))


def test_a_clip_is_not_compared_with_itself(real):
    texts, references, _ = real
    alone = variety.expected_and_best(["a"], references[:1], references[:1])
    assert np.isnan(alone).all()
    expected, best = variety.expected_and_best(texts, references, references)
    assert best < expected


def test_a_still_clip_deviates_not_and_a_swing_by_its_amplitude():
    swing = np.zeros((100, 50, 3), np.float32)
    swing[..., 0] = 0.5 * np.sin(np.linspace(0, 8 * np.pi, 100, endpoint=False))[:, None]
    confidence = np.ones((100, 50), np.float32)
    confidence[::2, 7] = 0
    clip = PoseClip(swing, confidence, 25.0)
    assert variety.temporal_deviation([clip]) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)
    still = PoseClip(np.zeros_like(swing), confidence, 25.0)
    assert variety.temporal_deviation([still]) == 0


def test_hands_are_counted_where_real_takes_use_one(real):
    texts, references, _ = real
    both = FAULTS["mixed hands"].plant(texts, references, {})
    assert hand_use(texts, both, references) == {}
    found = hand_use(texts, references, [mirrored(clip) for clip in references])
    assert found["mixed_hands"] == 0 and found["one_handed"] == len(texts)
    assert found["left_handed"] == pytest.approx(1 - found["left_handed_real"])


def test_the_mean_of_equal_takes_is_the_take(real):
    clip = real[1][0]
    mean = referees.mean_take([clip, clip, clip])
    np.testing.assert_allclose(mean.positions[clip.observed], clip.positions[clip.observed])
    np.testing.assert_array_equal(mean.observed, clip.observed)


def test_a_text_of_one_take_has_no_other(real):
    _, references, _ = real
    a, b, c = references[:3]
    found = referees.other_takes(["x", "y", "x"], [a, b, c])
    assert found[0] is c and found[1] is None and found[2] is a


def test_a_report_holds_productions_against_takes_and_their_mean(real):
    texts, references, others = (values[:8] for values in real)
    train = types.SimpleNamespace(texts=[*texts, "more"], clip=others.__getitem__)
    language = Language(train, None, None, texts, references=references)
    still = held(mean_pose(references), references[0])
    language.rows = {"produced": others, "mean_pose": [still] * 8}
    evaluated = EvalSet(Config(), {"asl": language}, {}, {}, False, None)
    takes_report.add_rows(evaluated)
    rows = {row: {ALL: {}, "asl": {}} for row in takes_report.ROWS}
    takes_report.add_figures(evaluated, rows)
    assert rows["other_take"]["asl"]["diversity_ratio"] == pytest.approx(1)
    assert rows["conditional_mean"]["asl"]["diversity_ratio"] == 0
    assert {"averaged", "one_mode"} <= warnings.motion(rows["mean_pose"][ALL]).keys()
    page = "\n".join(takes_report.section(Report(rows, {})))
    assert all(title in page for title in takes_report.ROWS.values())


def test_a_report_of_single_takes_has_no_rows_of_takes(real):
    _, references, others = (values[:2] for values in real)
    language = Language(None, None, None, ["a", "b"], references=references)
    language.rows = {"produced": others}
    evaluated = EvalSet(Config(), {"asl": language}, {}, {}, False, None)
    takes_report.add_rows(evaluated)
    assert language.rows.keys() == {"produced"}
    assert takes_report.section(Report({"produced": {ALL: {"dtw": 1.0}}}, {})) == []
