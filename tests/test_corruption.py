"""Damaged train clips: which ones, how, and that nothing tells."""

import numpy as np
import pytest

from signllm_jax.core.config import DataConfig
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.data.corruption import KINDS, Corrupted, labels, open_train
from signllm_jax.data.splits import open_split


@pytest.fixture(scope="module")
def both(data_dir):
    clean = open_split("fingerspelling", "asl", "train", data_dir)
    damaged = open_train(DataConfig(data_dir=data_dir, corrupt=0.25), "asl")
    return clean, damaged, labels("asl", len(clean), 0.25, 0)


def first_of(kinds, name):
    return int(np.flatnonzero(kinds == KINDS.index(name))[0])


def test_a_quarter_is_damaged_each_kind_alike_and_by_the_seed(both):
    _, _, kinds = both
    assert np.bincount(kinds).tolist() == [300, 34, 33, 33]
    assert (kinds == labels("asl", 400, 0.25, 0)).all()
    assert (kinds != labels("asl", 400, 0.25, 1)).any()
    assert (kinds != labels("gsl", 400, 0.25, 0)).any()


def test_a_clean_clip_is_as_it_was_and_tells_as_much_as_a_damaged_one(both):
    clean, damaged, kinds = both
    index = first_of(kinds, "clean")
    before, after = clean[index], damaged[index]
    assert before.keys() == after.keys() == damaged[first_of(kinds, "noise")].keys()
    np.testing.assert_array_equal(after["pose"], before["pose"])
    assert after["text"] == before["text"] and damaged.ids == clean.ids


def test_a_wrong_word_has_its_poses_and_anothers_text(both):
    clean, damaged, kinds = both
    for index in np.flatnonzero(kinds == KINDS.index("wrong_word")):
        assert damaged.texts[index] != clean.texts[index]
        assert damaged[index]["text"] == damaged.texts[index]
        assert damaged[index]["gloss"].split() == damaged.units[index]
    np.testing.assert_array_equal(damaged[index]["pose"], clean[index]["pose"])


def test_frozen_hands_keep_their_shape_and_follow_the_wrist(both):
    clean, damaged, kinds = both
    index = first_of(kinds, "frozen_hands")
    before, after = (x[index]["pose"].astype(np.float32) for x in (clean, damaged))
    body = list(OPENPOSE50.groups["body"])
    np.testing.assert_array_equal(after[:, body], before[:, body])
    hand, wrist = list(OPENPOSE50.groups["right_hand"]), OPENPOSE50.index("right_wrist")
    relative = after[:, hand] - after[:, [wrist]]
    np.testing.assert_allclose(relative, np.broadcast_to(relative[:1], relative.shape), atol=4e-3)
    assert np.abs(before[:, hand] - after[:, hand]).max() > 0.05


def test_noise_is_heavy_and_the_same_on_every_reading(both):
    clean, damaged, kinds = both
    index = first_of(kinds, "noise")
    once, again = damaged[index]["pose"], damaged[index]["pose"]
    np.testing.assert_array_equal(once, again)
    difference = once.astype(np.float32) - clean[index]["pose"].astype(np.float32)
    assert abs(difference.std() - 0.15) < 0.01


def test_without_a_share_the_split_is_the_clean_one(data_dir):
    assert not isinstance(open_train(DataConfig(data_dir=data_dir), "asl"), Corrupted)
