import itertools

import numpy as np
import pytest

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.skeleton import DWPOSE128, OPENPOSE50
from signllm_jax.poses import clean
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs

RIGHT_WRIST, RIGHT_HAND = 4, list(range(29, 50))
LEFT_WRIST, LEFT_HAND = 7, list(range(8, 29))


def waving(frames=50, fps=25.0, still=0):
    """A signer who moves both hands in front of the chest, and rests before and after."""
    positions = np.zeros((frames, 50, 3))
    positions[:, [0, 2, 3, 5, 6], :2] = [[0, -0.7], [-0.5, 0], [-0.6, 0.8], [0.5, 0], [0.6, 0.8]]
    busy = np.arange(frames)
    moving = (busy >= still) & (busy < frames - still)
    angle = np.cumsum(moving) * 5.0 / fps
    for wrist, hand, side in ((RIGHT_WRIST, RIGHT_HAND, -1), (LEFT_WRIST, LEFT_HAND, 1)):
        x = side * 0.3 + 0.2 * np.sin(angle)
        y = np.where(moving, 0.5 + 0.2 * np.cos(angle), 1.7)
        place = np.stack([x, y, -0.3 + 0 * x], axis=1)
        positions[:, wrist] = place
        fingers = np.linspace(0, 0.5, 21)[:, None] * [side * 0.2, -1, 0]
        positions[:, hand] = place[:, None] + fingers
    return PoseClip(positions.astype(np.float32), np.ones((frames, 50), np.float32), fps)


def without(clip, frames, joints):
    confidence = clip.confidence.copy()
    confidence[np.ix_(frames, joints)] = 0
    positions = np.where(confidence[..., None] > 0, clip.positions, 0)
    return PoseClip(positions, confidence, clip.fps, clip.layout)


def cleaned(clip):
    repairs = Repairs()
    return clean.clean(clip, repairs), repairs


def test_a_good_clip_stays_as_it_is():
    clip = waving()
    result, repairs = cleaned(clip)
    np.testing.assert_allclose(result.positions, clip.positions, atol=1e-6)
    np.testing.assert_array_equal(result.confidence, clip.confidence)
    assert +repairs == {"joints read": 50 * len(clip), "frames read": len(clip)}


def test_a_short_gap_is_filled_and_a_hand_travels_with_its_arm():
    clip = waving()
    result, repairs = cleaned(without(clip, range(20, 26), RIGHT_HAND))
    error = np.abs(result.positions - clip.positions)[20:26].max()
    assert error < 1e-5  # the hand is rigid here, and its wrist is seen
    assert repairs["joints interpolated"] == 6 * 21 and repairs["frames repaired"] == 6
    assert (result.confidence[20:26][:, RIGHT_HAND] == clean.FILLED).all()
    assert (result.confidence[:20] == 1).all()


def test_without_its_wrist_a_gap_is_filled_in_a_straight_line():
    clip = waving()
    result, _ = cleaned(without(clip, range(20, 24), [RIGHT_WRIST, *RIGHT_HAND]))
    ends = clip.positions[19, RIGHT_HAND], clip.positions[24, RIGHT_HAND]
    np.testing.assert_allclose(
        result.positions[21, RIGHT_HAND], ends[0] + (ends[1] - ends[0]) * 2 / 5, atol=1e-5
    )


def test_a_long_gap_and_the_ends_stay_missing():
    clip = waving()
    result, repairs = cleaned(without(clip, [*range(15, 27), 48, 49], LEFT_HAND))
    assert not result.confidence[15:27][:, LEFT_HAND].any()
    assert not result.confidence[48:][:, LEFT_HAND].any()
    assert repairs["joints interpolated"] == 0


@pytest.mark.parametrize("joint, where", [(RIGHT_WRIST, [3, 3, 0]), (RIGHT_HAND[8], [0.9, 0, 0])])
def test_a_joint_that_jumps_away_and_back_is_rejected_and_filled(joint, where):
    clip = waving()
    damaged = clip.positions.copy()
    damaged[25, joint] += where
    result, repairs = cleaned(PoseClip(damaged, clip.confidence, clip.fps))
    assert repairs["joints rejected"] >= 1 and repairs["frames repaired"] == 1
    assert np.abs(result.positions - clip.positions)[25].max() < 0.02


def test_a_hand_far_from_its_arm_is_rejected():
    clip = waving()
    damaged = clip.positions.copy()
    damaged[:, LEFT_HAND] += [1.5, 0, 0]
    result, repairs = cleaned(PoseClip(damaged, clip.confidence, clip.fps))
    assert repairs["joints rejected"] == 50 * 21
    assert not result.confidence[:, LEFT_HAND].any()


def test_what_a_detector_guessed_is_rejected():
    clip = waving()
    confidence = clip.confidence.copy()
    confidence[:, 3] = 0.05
    result, repairs = cleaned(PoseClip(clip.positions, confidence, clip.fps))
    assert repairs["joints rejected"] == 50
    assert not result.confidence[:, 3].any()


def test_rests_are_trimmed_but_a_margin():
    clip = waving(100, still=30)
    result, repairs = cleaned(clip)
    margin = round(clean.MARGIN * 25)
    assert 0 <= len(result) - (40 + 2 * margin) <= 8  # speed is averaged over 0.2 s
    assert repairs["rest frames trimmed"] == 100 - len(result)


def test_a_clip_that_only_rests_is_kept_whole():
    clip = waving(40, still=20)
    result, repairs = cleaned(clip)
    assert len(result) == 40 and not repairs["rest frames trimmed"]


def test_frames_without_anybody_are_cut_off_at_the_ends_and_keep_their_time_between():
    clip = waving(60)
    gone = [*range(8), *range(30, 45), 58, 59]
    result, repairs = cleaned(without(clip, gone, range(50)))
    assert len(result) == 50 and repairs["rest frames trimmed"] == 10
    assert not result.confidence[22:37].any() and result.confidence[:22].all()


@pytest.mark.parametrize("fps", [12.0, 24.0, 29.97, 30.0, 50.0, 60.0])
def test_any_frame_rate_becomes_25(fps):
    seconds = 4
    clip = waving(round(seconds * fps) + 1, fps)
    result, repairs = cleaned(clip)
    assert result.fps == 25 and repairs["clips resampled"] == 1
    assert abs(len(result) - (25 * (len(clip) - 1) / fps + 1)) < 1
    truth = waving(len(result), 25.0).positions[5:-5, RIGHT_WRIST]
    # the same movement, but for its start and what a line between two frames cuts off
    assert np.abs(result.positions[5:-5, RIGHT_WRIST] - truth).max() < 0.1


def test_a_joint_missing_at_one_side_is_taken_from_the_nearer_frame():
    positions = np.arange(4.0)[:, None, None] * np.ones((4, 1, 3))
    confidence = np.array([[1.0], [0.0], [1.0], [1.0]])
    mixed, seen = clean.resample(positions, confidence, 37.5)  # at frames 0, 1.5 and 3
    assert (seen[:, 0] > 0).tolist() == [True, False, True]
    assert mixed[2, 0, 0] == 3


def test_sides_that_are_named_the_other_way_round_are_swapped_back():
    clip = waving()
    other = list(OPENPOSE50.mirror)
    swapped = PoseClip(clip.positions[:, other], clip.confidence, clip.fps)
    result, repairs = cleaned(swapped)
    np.testing.assert_allclose(result.positions, clip.positions, atol=1e-6)
    assert repairs["clips with sides swapped back"] == 1


def test_a_signer_seen_from_behind_is_turned():
    clip = waving()
    result, repairs = cleaned(
        PoseClip(clip.positions * np.float32([-1, 1, -1]), clip.confidence, clip.fps)
    )
    np.testing.assert_allclose(result.positions, clip.positions, atol=1e-6)
    assert repairs["clips turned to the viewer"] == 1


def test_dwpose_keeps_its_confidence_as_the_third_number():
    flat = np.zeros((30, 128, 3), np.float32)
    flat[..., 0] = np.linspace(-0.1, 0.1, 128)
    confidence = np.full((30, 128), 0.8, np.float32)
    confidence[10:13, 70] = 0
    flat[..., 2] = confidence
    result, repairs = cleaned(PoseClip(flat, confidence, 25.0, DWPOSE128.name))
    np.testing.assert_array_equal(result.positions[..., 2], result.confidence)
    assert repairs["joints interpolated"] == 3
    np.testing.assert_allclose(result.confidence[11, 70], 0.4, atol=1e-6)


def test_a_clip_without_anything_to_see_is_refused():
    clip = waving()
    for bad in (np.zeros_like(clip.confidence), np.full_like(clip.confidence, 0.01)):
        with pytest.raises(PoseFormatError, match="thing"):
            clean.clean(PoseClip(clip.positions, bad, 25.0), source="thing")
    with pytest.raises(PoseFormatError, match="1 frames"):
        clean.clean(PoseClip(clip.positions[:1], clip.confidence[:1], 25.0))


def test_anything_that_a_reader_may_give_is_cleaned_or_refused():
    rng = np.random.default_rng(0)
    for _ in range(300):
        frames = int(rng.integers(1, 40))
        clip = waving(frames, float(rng.choice([1, 12.5, 24, 25, 30, 120, 999])))
        positions = clip.positions + rng.choice([0, 0.1, 10, 1e4]) * rng.normal(size=(50, 3))
        confidence = np.where(rng.random((frames, 50)) < rng.random(), rng.random((frames, 50)), 0)
        positions = np.where(confidence[..., None] > 0, positions, 0)
        given = PoseClip(*(a.astype(np.float32) for a in (positions, confidence)), clip.fps)
        repairs = Repairs()
        try:
            result = clean.clean(given, repairs, "clip")
        except PoseFormatError as error:
            assert str(error).startswith("clip: ")
            continue
        assert result.fps == 25 and len(result) >= clean.LEAST_FRAMES
        assert result.confidence.min() >= 0 and result.confidence.max() <= 1
        assert not result.positions[~result.observed].any()
        # the count of what was done explains the difference
        assert all(count >= 0 for count in repairs.values())


def test_real_pose_clips_lose_their_spikes_not_their_signing(shared_data):
    from signllm_jax.poses.openpose import read_openpose

    for folder in sorted((shared_data / "how2sign" / "openpose").iterdir()):
        clip = read_openpose(folder, 25.0)
        result, repairs = cleaned(clip)
        both = clip.observed & result.observed
        assert len(result) == len(clip)
        assert both.sum() > 0.93 * clip.observed.sum()
        assert result.observed.sum() > 0.95 * clip.observed.sum()

        def fastest(c):
            step = np.linalg.norm(np.diff(c.positions[:, RIGHT_HAND], axis=0), axis=-1)
            return step[(c.observed[1:] & c.observed[:-1])[:, RIGHT_HAND]].max()

        assert fastest(result) <= fastest(clip)
        assert repairs["joints rejected"] < 0.12 * clip.observed.sum()


@pytest.mark.parametrize("values", [np.arange(5.0), np.zeros(5), np.array([0.0, 0, 1, 2, 2])])
def test_the_median_of_five_is_that_of_every_order(values):
    orders = np.array(list(itertools.permutations(values))).T
    np.testing.assert_array_equal(clean._median_of_five(*orders), np.median(orders, axis=0))
