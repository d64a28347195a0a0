"""`prepare --anonymize`: an average body instead of the signer's own, the hands as they were."""

import dataclasses

import numpy as np
import pytest
from real_clips import letters

from signllm_jax.core.errors import ConfigError, PoseFormatError
from signllm_jax.corpora.anonymize import anonymized
from signllm_jax.corpora.fingerspelling import spelled_clip
from signllm_jax.corpora.prepare import Settings


def upper_arm(clip):
    """Its length in shoulder widths, as the picture shows it."""
    flat = clip.positions[..., :2]
    return np.median(np.linalg.norm(flat[:, 2] - flat[:, 3], axis=1))


def test_four_signers_become_alike_and_their_hands_stay():
    clips = [spelled_clip("ab", code) for code in ("asl", "gsl", "dsgs", "tsl")]
    made = [anonymized(clip) for clip in clips]
    before, after = (np.ptp([upper_arm(clip) for clip in each]) for each in (clips, made))
    assert after < 0.3 * before
    for clip, plain in zip(clips, made):
        assert len(plain) == len(clip) and plain.fps == clip.fps
        np.testing.assert_array_equal(plain.observed, clip.observed)
        hand = list(clip.skeleton.groups["right_hand"])
        own = clip.positions[:, hand, :2] - clip.positions[:, hand[:1], :2]
        kept = plain.positions[:, hand, :2] - plain.positions[:, hand[:1], :2]
        scale = (own * kept).sum() / (own * own).sum()
        assert np.abs(kept - scale * own).max() < 0.05
    flat = dataclasses.replace(clips[0], positions=clips[0].positions * np.float32([1, 1, 0]))
    assert not anonymized(flat).positions[..., 2].any()


def test_what_cannot_be_anonymized_is_told():
    clip = letters()[0]
    hidden = clip.confidence.copy()
    hidden[:, 2] = 0
    with pytest.raises(PoseFormatError, match="both shoulders"):
        anonymized(dataclasses.replace(clip, confidence=hidden))
    with pytest.raises(ConfigError, match="--lift=best"):
        Settings("asl", "t", "pose", lift="reference", anonymize=True)
    assert Settings("American Sign Language", "t", "pose", anonymize=True).language == "asl"
