import dataclasses
import json

import numpy as np
import pytest
import real_clips

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50, get_layout
from signllm_jax.corpora import fingerspelling
from signllm_jax.poses.features import (
    DEVIATION_FLOOR,
    Statistics,
    collect_statistics,
    make_frames,
    restore_frames,
)

RIGHT_HAND = list(OPENPOSE50.groups["right_hand"])
LEFT_HAND = list(OPENPOSE50.groups["left_hand"])


def example(pose, confidence=None, fps=25.0):
    confidence = np.ones(pose.shape[:2]) if confidence is None else confidence
    return {"pose": pose, "confidence": confidence, "fps": fps}


def spelled(language, count=20, dtype=np.float16):
    corpus = fingerspelling.corpus(language, "train")
    clips = [next(corpus).clip for _ in range(count)]
    return [example(clip.positions.astype(dtype), clip.confidence.astype(dtype)) for clip in clips]


@pytest.mark.parametrize("language", fingerspelling.LANGUAGES)
def test_restoring_gives_back_every_observed_joint_of_a_float16_corpus(language):
    clips = spelled(language)
    statistics = collect_statistics(clips, "openpose50")
    for clip in clips:
        frames, mask = make_frames(clip["pose"], clip["confidence"], statistics)
        restored = restore_frames(frames, statistics)
        np.testing.assert_allclose(restored[mask], clip["pose"][mask], rtol=0, atol=1e-6)


def test_restoring_gives_back_recorded_signing(shared_data):
    clips = [example(clip.positions) for clip in real_clips.phoenix(shared_data)]
    statistics = collect_statistics(clips, "openpose50")
    for clip in clips:
        frames, mask = make_frames(clip["pose"], clip["confidence"], statistics)
        assert mask.all()
        np.testing.assert_allclose(restore_frames(frames, statistics), clip["pose"], atol=2e-6)


def test_a_missing_joint_enters_as_zero_and_so_does_all_that_hangs_on_it():
    pose = np.random.default_rng(0).normal(size=(6, 50, 3))
    confidence = np.ones((6, 50))
    confidence[2, 20] = confidence[3, 7] = 0  # a left finger; the left wrist of the arm
    frames, mask = make_frames(pose, confidence, collect_statistics([example(pose)], "openpose50"))
    values = frames[:, :-1].reshape(6, 50, 3)
    expected = np.ones((6, 50), bool)
    expected[2, 20] = False
    expected[3, [7, *LEFT_HAND]] = False
    np.testing.assert_array_equal(mask, expected)
    assert (values[~expected] == 0).all() and (values[expected] != 0).all()


def test_the_counter_is_last_and_runs_to_one():
    pose = np.zeros((4, 50, 3))
    statistics = collect_statistics([example(pose)], "openpose50")
    frames, _ = make_frames(pose, np.ones((4, 50)), statistics)
    assert frames.shape == (4, OPENPOSE50.frame_size) and frames.dtype == np.float32
    assert frames[:, -1].tolist() == [0.25, 0.5, 0.75, 1.0]
    frames, mask = make_frames(pose[:0], np.ones((0, 50)), statistics)
    assert frames.shape == (0, OPENPOSE50.frame_size) and mask.shape == (0, 50)


def test_statistics_are_those_worked_out_by_hand():
    """The right hand moves with its wrist but for one finger joint, which swings by +-1 in x."""
    pose = np.zeros((2, 50, 3))
    pose[:, RIGHT_HAND] = [5.0, 2.0, 0.0]
    pose[:, 4] = [5.0, 2.0, 0.0]
    pose[0, 33, 0] += 1.0
    pose[1, 33, 0] -= 1.0
    pose[:, 1] = [0.0, -1.0, 0.0]
    statistics = collect_statistics([example(pose)], "openpose50")
    mean = np.zeros((50, 3))
    mean[[0, 2, 3, 5, 6, 7], 1] = 1.0  # body joints relative to the neck
    mean[1, 1] = -1.0  # the neck itself
    mean[4] = [5.0, 3.0, 0.0]
    np.testing.assert_allclose(statistics.mean, mean, atol=1e-7)
    deviation = np.full(50, DEVIATION_FLOOR)
    # a variance of 1 in one of 3 numbers of one of 21 joints
    deviation[RIGHT_HAND] = np.sqrt(1 / 63)
    np.testing.assert_allclose(statistics.deviation, deviation, rtol=1e-6)
    assert (statistics.fps, statistics.frames, statistics.seen.tolist()) == (25.0, 2, [1.0] * 50)


def test_statistics_use_observed_joints_only():
    clips = spelled("asl", 4)
    confidence = [clip["confidence"].copy() for clip in clips]
    for seen in confidence:
        seen[::3, 33] = 0
        seen[1::4, 4] = 0
    noise = np.random.default_rng(0)
    spoilt = []
    for clip, seen in zip(clips, confidence):
        pose = clip["pose"].astype(np.float32)
        hidden = seen == 0
        hidden[:, LEFT_HAND] = hidden[:, 5:8] = False  # never shown: its rest is the mean
        pose[hidden] = noise.normal(size=(hidden.sum(), 3)) * 9
        spoilt.append(example(pose, seen))
    one = collect_statistics(
        [example(c["pose"], seen) for c, seen in zip(clips, confidence)], "openpose50"
    )
    other = collect_statistics(spoilt, "openpose50")
    for name in ("mean", "deviation", "seen"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name), atol=1e-6)
    assert one.seen[33] < 0.75 and one.seen[20] == 0


def test_statistics_do_not_depend_on_how_frames_are_cut_into_clips():
    pose = np.random.default_rng(0).normal(size=(10, 50, 3))
    whole = collect_statistics([example(pose)], "openpose50")
    parts = collect_statistics([example(pose[:3]), example(pose[3:])], "openpose50")
    np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-6)
    np.testing.assert_allclose(parts.deviation, whole.deviation, rtol=1e-6)
    assert (whole.frames, parts.frames) == (10, 7)


def test_a_joint_that_is_never_shown_rests_where_the_clips_put_it():
    clips = spelled("asl", 4, np.float32)
    statistics = collect_statistics(clips, "openpose50")
    resting = np.concatenate([clip["pose"] for clip in clips])[:, LEFT_HAND].mean(0)
    assert (statistics.seen[LEFT_HAND] == 0).all()
    np.testing.assert_allclose(statistics.mean_pose[LEFT_HAND], resting, atol=1e-5)


def test_statistics_survive_json():
    statistics = collect_statistics(spelled("tsl", 3), "openpose50")
    again = Statistics.from_dict(json.loads(json.dumps(statistics.to_dict())))
    for field in dataclasses.fields(Statistics):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(statistics, field.name))


def test_no_clip_and_two_frame_rates_are_refused():
    with pytest.raises(DataError, match="empty"):
        collect_statistics([], "openpose50")
    pose = np.zeros((2, 50, 3))
    with pytest.raises(DataError, match="frames per second"):
        collect_statistics([example(pose), example(pose, fps=30.0)], "openpose50")


@pytest.mark.parametrize("name", ["openpose50", "dwpose128"])
def test_a_parent_chain_ends_at_the_neck(name):
    layout = get_layout(name)
    for joint in range(layout.size):
        chain = [joint]
        while layout.parent[chain[-1]] != chain[-1]:
            chain.append(layout.parent[chain[-1]])
        assert chain[-1] == layout.index("neck") and len(chain) <= 3
