"""How much hands move: travel, jerk, warnings of motion, and the judge of the best parameters."""

import dataclasses

import numpy as np
import pytest
from real_clips import letters, phoenix, real_takes
from test_pose_metrics import HANDS, cut, moved

from signllm_jax.corpora import fingerspelling
from signllm_jax.eval import judge
from signllm_jax.eval.warnings import motion
from signllm_jax.metrics import motion as pose_motion
from signllm_jax.metrics.pairs import (
    held,
    mean_pose,
    score_clips,
    summarize,
)
from signllm_jax.poses.clip import PoseClip

MOTION = ("dtw", "hand_travel", "jerk", "duration", "joints")


def test_hand_travel_counts_fingers_and_only_joints_that_were_seen():
    positions = np.zeros((1, 4, 50, 3), np.float32)
    observed = np.ones((1, 4, 50), bool)
    positions[0, :, HANDS[0], 0] = np.arange(4)  # the left hand goes 3 shoulder widths
    positions[0, 1, HANDS[1], 1] = 100.0  # the right hand jumps where it was not seen
    observed[0, 1, HANDS[1]] = False
    three = pose_motion.travel(positions, observed, np.array([4]), HANDS)
    np.testing.assert_allclose(three, [[3, 0]])
    two = pose_motion.travel(positions, observed, np.array([3]), HANDS)
    np.testing.assert_allclose(two, [[2, 0]])


def test_hand_travel_ratio_ignores_tempo_and_what_the_production_does_with_an_unseen_hand():
    clips = letters()
    slower = [cut(clip, np.repeat(np.arange(len(clip)), 2)) for clip in clips]
    unseen = [moved(clip, np.where(clip.observed[..., None], 0, 5)) for clip in clips]
    noise = np.random.default_rng(0)
    shaken = [
        moved(clip, np.where(clip.observed[..., None], 0, noise.normal(size=clip.positions.shape)))
        for clip in clips
    ]
    assert any((~clip.observed).all(0).any() for clip in clips)
    for made, tolerance in ((clips, 1e-6), (unseen, 1e-6), (shaken, 1e-6), (slower, 0.02)):
        ratio = summarize(score_clips(clips, made))["hand_travel_ratio"]
        assert ratio == pytest.approx(1, abs=tolerance)
    assert summarize(score_clips(clips, slower))["duration_ratio"] == pytest.approx(2)


def losing(clip, group, frames):
    """The clip whose joints of a group are missing in the given frames, as a tracker loses them."""
    joints = list(clip.skeleton.groups[group])
    positions, confidence = clip.positions.copy(), clip.confidence.copy()
    positions[frames, joints[0] : joints[-1] + 1] = 0
    confidence[frames, joints[0] : joints[-1] + 1] = 0
    return dataclasses.replace(clip, positions=positions, confidence=confidence)


def test_a_lost_hand_is_no_distance_and_no_travel_and_is_counted():
    clip = fingerspelling.spelled_clip("hammer", "asl")
    lost = losing(clip, "right_hand", slice(30, 60))
    expected = 30 * 21 / clip.observed.sum()
    same, other = (
        summarize(score_clips([a], [b], MOTION)) for a, b in ((clip, lost), (lost, clip))
    )
    assert same["dtw"] == other["dtw"] == 0
    assert same["joints_missing"] == pytest.approx(expected) and same["joints_added"] == 0
    assert other["joints_added"] > 0 and other["joints_missing"] == 0
    for figures in (same, other):
        assert figures["hand_travel_ratio"] == figures["jerk_ratio"] == 1
        assert not motion(figures)


def test_nothing_is_won_by_showing_nothing():
    clip = fingerspelling.spelled_clip("hammer", "asl")
    blank = PoseClip(0 * clip.positions, 0 * clip.confidence, clip.fps)
    hidden = losing(clip, "right_hand", slice(None))
    nothing, handless = (summarize(score_clips([clip], [made], MOTION)) for made in (blank, hidden))
    assert nothing["dtw"] > 0.3 and nothing["joints_missing"] == 1
    assert handless["dtw"] == 0 and handless["joints_missing"] > 0.7
    assert "missing" in motion(handless) and "missing" in motion(nothing)


def test_jerk_sees_jitter_and_no_tempo():
    clip = fingerspelling.spelled_clip("hammer", "asl")
    noise = np.random.default_rng(0).normal(0, 0.02, clip.positions.shape)
    shaken = summarize(score_clips([clip], [moved(clip, noise)], MOTION))
    assert shaken["jerk_ratio"] > pose_motion.JERKY
    assert "jerk" in motion(shaken)
    doubled = dataclasses.replace(clip, fps=2 * clip.fps)
    assert summarize(score_clips([clip], [doubled], MOTION))["jerk_ratio"] == pytest.approx(8)


def test_a_hand_that_goes_too_far_and_a_clip_that_lasts_too_long_are_warned_of():
    clip = fingerspelling.spelled_clip("hammer", "asl")
    centre = clip.positions.mean(0)
    wild = dataclasses.replace(clip, positions=centre + 3 * (clip.positions - centre))
    slow = cut(clip, np.repeat(np.arange(len(clip)), 2))
    said = motion(summarize(score_clips([clip, clip], [wild, slow], MOTION)))
    assert said.keys() >= {"travel", "duration"}
    assert "2.0 times as far" in said["travel"] and "1.50 times as long" in said["duration"]


def test_real_takes_against_real_takes_raise_no_warning(shared_data):
    """Of one session and of two: hands drop out in many of them."""
    takes = real_takes(shared_data)
    pairs = [(a, b) for own in takes.values() for a, b in zip(own[0], own[1])]
    within = [(a, b) for own in takes.values() for session in own for a, b in [session[:2]]]
    for some in (pairs, [(b, a) for a, b in pairs], within):
        figures = summarize(score_clips(*zip(*some), MOTION))
        assert figures["joints_missing"] > 0.01
        assert motion(figures) == {}
        assert figures["hand_travel_ratio"] == pytest.approx(1, abs=0.15)


def test_the_judge_prefers_a_real_take_to_the_mean_pose_that_is_nearer(shared_data):
    """A distance alone would keep a model that averages its signers away."""
    takes = real_takes(shared_data)
    references = [clip for own in takes.values() for clip in own[0]]
    others = [clip for own in takes.values() for clip in own[1]]
    still = [held(mean_pose(own[0] + own[1]), clip) for own in takes.values() for clip in own[0]]
    assert judge.has_takes([text for text, own in takes.items() for _ in own[0]])

    def scored(made):
        figures = summarize(score_clips(references, made, ("dtw", "hand_travel", "joints")))
        figures["dtw_mean_pose_ratio"] = figures["dtw"] / distance
        figures["frechet_mean_pose_ratio"] = judge.frechet_ratio(references, made, still)
        return figures

    distance = float(np.nanmean(score_clips(references, still, ("dtw",))["dtw"]))
    real, pose = scored(others), scored(still)
    assert pose["dtw"] < real["dtw"]
    assert judge.score(real) < 0.75 < 1.5 < judge.score(pose)


def test_without_takes_the_judge_still_prefers_what_moves():
    moves = {"dtw_mean_pose_ratio": 1.2, "hand_travel_ratio": 0.9, "joints_missing": 0.1}
    pose = {"dtw_mean_pose_ratio": 1.0, "hand_travel_ratio": 0.0, "joints_missing": 0.0}
    hidden = {"dtw_mean_pose_ratio": 0.3, "joints_missing": 0.8}
    good = {"dtw_mean_pose_ratio": 0.1, "hand_travel_ratio": 1.0}
    ordered = [judge.score(x) for x in (good, moves, pose, hidden)]
    assert ordered == sorted(ordered) and len(set(ordered)) == 4
    assert not judge.has_takes(["a", "b", "c", "c"]) and judge.has_takes(["a", "a", "b", "b", "b"])
    assert judge.score({}) == judge.score({"dtw_mean_pose_ratio": float("nan")}) == judge.WORST
    assert judge.score(good | {"cer": 0.5}) == pytest.approx(judge.score(good) + 0.5)


def test_a_mean_pose_is_called_a_collapse_although_its_dtw_beats_another_sentence(shared_data):
    clips = [cut(clip, slice(0, 60)) for clip in phoenix(shared_data)]
    mean = mean_pose(phoenix(shared_data, "train"))
    still = summarize(score_clips(clips, [held(mean, clip) for clip in clips]))
    other = summarize(score_clips(clips, clips[1:] + clips[:1]))
    assert still["dtw"] < other["dtw"]
    assert still["dtw_mje"] < other["dtw_mje"]
    assert (still["collapse"], other["collapse"]) == (True, False)
    assert still["hand_travel_ratio"] == 0
    assert still["wrist_travel_ratio"] == 0
