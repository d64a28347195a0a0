"""How reports tell texts apart by their length."""

import numpy as np
import pytest

from signllm_jax.eval.lengths import by_length


def figures(texts, *read, seconds=None):
    count = len(texts)
    tokens = [len(text) for text in texts]
    seconds = np.ones(count) if seconds is None else np.array(seconds)
    return by_length(texts, tokens, read, seconds, np.ones(count))


def test_error_and_duration_are_pooled_within_each_band():
    texts = ["a", "hello", "kitchens", "international"]
    found = figures(texts, ["a", "help", "kitchens", "iteration"], seconds=[2, 1, 1, 0.4])
    assert list(found) == ["1-2", "3-6", "7-10", "11-16"]
    assert [x["clips"] for x in found.values()] == [1, 1, 1, 1]
    np.testing.assert_allclose([x["cer"] for x in found.values()], [0, 2 / 5, 0, 4 / 13])
    assert found["1-2"]["duration_ratio"] == 2 and found["11-16"]["duration_ratio"] == 0.4


def test_longer_texts_and_texts_of_several_words_are_bands_of_their_own():
    found = figures(["aa bb", "a" * 20], ["aab", "a" * 20])
    assert found["several words"]["cer"] == 2 / 5
    assert found["longer"]["cer"] == 0
    assert "7-10" not in found


def test_a_doubled_letter_is_lost_when_it_is_not_read_as_two():
    found = figures(["hammer", "coffee", "buzz"], ["hamer", "coffee", "buzzz"])["3-6"]
    assert found["doubled"] == 4
    assert found["doubled_lost"] == 1 / 4


def test_several_readers_are_averaged_and_nothing_read_is_all_wrong():
    found = figures(["hammer"], ["hammer"], [None])["3-6"]
    assert found["cer"] == pytest.approx(0.5) and found["doubled_lost"] == 0.5
