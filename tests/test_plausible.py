"""What is odd about one clip by itself."""

import dataclasses

import numpy as np
import pytest
from real_clips import letters
from signers import signer

from signllm_jax.eval.eval_set import Language
from signllm_jax.eval.warnings import of_odd_clips
from signllm_jax.poses.clean import clean
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.frames import Repairs
from signllm_jax.poses.normalize import to_shoulder_widths
from signllm_jax.poses.plausible import oddities, rate_oddities


def clip_of(keypoints, fps=25.0):
    confidence = keypoints[..., 2].astype(np.float32)
    positions = np.zeros(keypoints.shape, np.float32)
    positions[..., :2] = to_shoulder_widths(keypoints[..., :2], confidence, "openpose50", "clip")
    return PoseClip(positions, confidence, fps)


def kinds(clip, text=""):
    return [oddity.kind for oddity in oddities(clip, text)]


def test_nothing_is_odd_about_a_made_up_signer_and_real_letters():
    assert kinds(clip_of(signer(50)), "two words") == []
    for clip in letters():
        assert kinds(clip) == []


def test_a_squeezed_picture_is_odd():
    wide = signer(50)
    wide[..., :2] /= (1280, 720)  # parts of the picture taken for pixels
    found = oddities(clip_of(wide))
    assert [oddity.kind.split()[:2] for oddity in found] == [["arms", "of"], ["a", "head"]]
    assert all("shoulder widths" in oddity.detail for oddity in found)


def test_swapped_sides_are_odd():
    mirrored = signer(50)
    mirrored[..., 0] = 1280 - mirrored[..., 0]
    (found,) = oddities(clip_of(mirrored))
    assert found.kind.startswith("left and right swapped") and found.detail == "50 of 50 frames"


@pytest.mark.parametrize("turn", [lambda xy: xy[..., ::-1], lambda xy: xy * (1, -1)])
def test_a_turned_picture_is_odd(turn):
    turned = signer(50)
    turned[..., :2] = turn(turned[..., :2])
    kind = "a head that is not above the neck, as in turned pictures"
    assert ("50 of 50 frames") in [
        oddity.detail for oddity in oddities(clip_of(turned)) if oddity.kind == kind
    ]


def test_a_clip_that_goes_from_person_to_person_is_odd():
    jumping = signer(50)
    jumping[::2, :, 0] += 550
    found = {oddity.kind: oddity.detail for oddity in oddities(clip_of(jumping))}
    assert found["a neck that jumps"] == "49 of 49 steps, up to 2.75 widths"
    assert "a neck that wanders" in found


def test_hands_that_are_rarely_seen_are_odd_with_what_they_are_counted_of():
    still = signer(50)
    still[10:, 8:] = 0
    (found,) = oddities(clip_of(still))
    assert found == ("hands that are rarely seen", "10 of 50 frames")


@pytest.mark.parametrize(
    "frames, text, odd",
    [
        (50, "hello", False),
        (50, "word " * 30, True),
        (2000, "hello", True),
        (2000, "word " * 30, False),
        (250, "手" * 40, False),  # a script without spaces
    ],
)
def test_a_length_that_does_not_fit_the_text_is_odd(frames, text, odd):
    assert bool(kinds(clip_of(signer(frames)), text)) == odd


@pytest.mark.parametrize("fps, odd", [(25, 0), (29.97, 0), (30, 0), (29, 1), (59, 1), (5, 1)])
def test_rates_that_were_cut_or_are_low_are_odd(fps, odd):
    assert len(rate_oddities(float(fps))) == odd


def test_cleaning_says_what_its_counts_are_of():
    repairs = Repairs()
    clip = clip_of(signer(50))
    clean(dataclasses.replace(clip), repairs)
    assert repairs["joints read"] == 50 * 50 and repairs["frames read"] == 50


def test_a_report_says_which_rows_have_odd_clips_and_of_how_many():
    good, mirrored = signer(50), signer(50)
    mirrored[..., 0] = 1280 - mirrored[..., 0]
    clips = [clip_of(good), clip_of(mirrored), clip_of(good)]
    empty = PoseClip(np.zeros((0, 50, 3), np.float32), np.zeros((0, 50), np.float32), 25.0)
    texts, names = ["a", "b", " ".join(["word"] * 40)], ["one", "two", "three"]
    language = Language(None, None, None, texts=texts, names=names)
    language.rows = {"ground_truth": clips, "produced": [empty, clips[0], None]}
    told = of_odd_clips({"asl": language}, spelled=False)
    assert told == [
        "Odd: 1 of 3 real clips have left and right swapped, or seen from behind (the first is "
        "two: 50 of 50 frames).",
        "Odd: 1 of 3 real clips have a length that does not fit the text (the first is three: "
        "2.0 seconds for 40 words).",
    ]
    assert len(of_odd_clips({"asl": language}, spelled=True)) == 1
    language.rows["produced"][1] = clips[1]
    assert "1 of 1 productions have left" in of_odd_clips({"asl": language}, spelled=True)[1]
