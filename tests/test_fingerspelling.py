import collections
import hashlib

import numpy as np
import pytest

from signllm_jax.core.errors import TextError
from signllm_jax.corpora import fingerspelling
from signllm_jax.corpora.fingerspelling import word_units
from signllm_jax.corpora.letters import FPS, LETTER_FRAMES, alphabet
from signllm_jax.text.prompts import parse_prompt

LANGUAGES = fingerspelling.LANGUAGES
each_language = pytest.mark.parametrize("language", LANGUAGES)
RIGHT_HAND, LEFT_HAND = slice(29, 50), slice(8, 29)


def digest(language):
    state = hashlib.sha256()
    for split in fingerspelling.SPLITS:
        for example in fingerspelling.corpus(language, split):
            state.update(repr((example.id, example.prompt, example.units)).encode())
            state.update(example.clip.positions.tobytes() + example.clip.confidence.tobytes())
    return state.hexdigest()


def test_the_corpus_is_deterministic():
    first = digest("dsgs")
    alphabet.cache_clear()
    fingerspelling._word_lists.cache_clear()
    assert digest("dsgs") == first


@each_language
def test_the_splits_have_their_sizes_and_share_no_word(language):
    splits = fingerspelling.words(language)
    assert [len(splits[split]) for split in fingerspelling.SPLITS] == [400, 40, 40]
    everything = [word for split in splits.values() for word in split]
    spelled = {tuple(fingerspelling.spell(word, language)) for word in everything}
    assert len(spelled) == len(set(everything)) == 480


@each_language
def test_every_word_has_three_to_six_units_and_lasts_60_to_100_frames(language):
    for split in fingerspelling.SPLITS:
        for example in fingerspelling.corpus(language, split):
            assert 3 <= len(example.units) <= 6
            assert 60 <= len(example.clip) <= 100
            assert example.clip.fps == FPS


@each_language
def test_every_unit_that_is_evaluated_is_trained_on_in_several_words(language):
    splits = fingerspelling.words(language)
    trained = collections.Counter(
        unit for word in splits["train"] for unit in set(fingerspelling.spell(word, language))
    )
    evaluated = {
        unit
        for word in splits["dev"] + splits["test"]
        for unit in fingerspelling.spell(word, language)
    }
    assert min(trained[unit] for unit in evaluated) >= 12
    assert len(evaluated) >= len(fingerspelling.letters(language)) - 1  # ÖÖ is in one word


def test_the_longest_unit_is_taken():
    assert fingerspelling.spell("Schule", "dsgs") == ["SCH", "U", "L", "E"]
    assert fingerspelling.spell("Bach", "dsgs") == ["B", "A", "CH"]
    assert fingerspelling.spell("Schule", "gsl") == ["S", "C", "H", "U", "L", "E"]


def test_case_follows_the_spoken_language():
    assert fingerspelling.spell("ılık", "tsl") == ["I", "L", "I", "K"]
    assert fingerspelling.spell("iyi", "tsl") == ["İ", "Y", "İ"]
    assert fingerspelling.spell("İYİ", "tsl") == ["İ", "Y", "İ"]
    assert fingerspelling.spell("in", "asl") == ["I", "N"]
    assert fingerspelling.spell("fuß", "gsl") == fingerspelling.spell("FUẞ", "gsl")
    assert fingerspelling.spell("U\u0308BER", "gsl") == ["Ü", "B", "E", "R"]  # not composed


@pytest.mark.parametrize(
    ("word", "language", "letter"),
    [("naïve", "asl", "Ï"), ("fuß", "dsgs", "ẞ"), ("taxi", "tsl", "X"), ("a1", "gsl", "1")],
)
def test_an_unword_units_word_is_refused_naming_letter_and_language(word, language, letter):
    with pytest.raises(TextError, match=f"(?=.*{letter})(?=.*{language})"):
        fingerspelling.spell(word, language)


def test_no_word_and_no_alphabet_are_refused():
    with pytest.raises(TextError, match="no word"):
        fingerspelling.spell("  ", "asl")
    for call in (fingerspelling.letters, fingerspelling.words):
        with pytest.raises(TextError, match="ksl"):
            call("ksl")


@pytest.mark.parametrize("language", ["asl", "gsl", "dsgs"])
def test_an_arm_that_is_never_seen_has_no_confidence_and_rests_still(language):
    clip = fingerspelling.spelled_clip("bad", language)
    assert (clip.confidence[:, LEFT_HAND] == 0).all() and (clip.confidence[:, [6, 7]] == 0).all()
    assert (clip.confidence[:, RIGHT_HAND] == 1).all()
    resting = clip.positions[:, LEFT_HAND] - clip.positions[:, [5]]
    assert np.ptp(resting, axis=0).max() < 1e-5


def test_turkish_signs_with_both_hands_and_l_with_the_left():
    both = fingerspelling.spelled_clip("a", "tsl")
    assert both.observed.all()
    left = fingerspelling.spelled_clip("l", "tsl")
    assert left.observed[:, LEFT_HAND].all() and not left.observed[:, RIGHT_HAND].any()


def test_a_doubled_letter_bounces():
    double = fingerspelling.spelled_clip("allee", "gsl")
    join = slice(2 * LETTER_FRAMES + 4, 2 * LETTER_FRAMES + 8)
    wrist = double.positions[:, 4, 0]
    assert wrist[join].min() < wrist[join.start - 1] - 0.1


@each_language
def test_held_letters_are_still_and_no_joint_jumps(language):
    speeds = {}
    for unit, letter in alphabet(language).items():
        seen = letter.confidence[0] > 0
        speed = np.linalg.norm(np.diff(letter.positions[:, seen], axis=0), axis=-1)
        speeds[unit] = speed.mean()
        assert speed.max() < 1.0, unit
    assert np.median(list(speeds.values())) < 0.01


@each_language
def test_no_two_letters_look_alike(language):
    letters = list(alphabet(language).values())
    shapes = np.stack([(x.positions * (x.confidence[..., None] > 0))[:, 2:] for x in letters])
    for index, shape in enumerate(shapes):
        apart = np.linalg.norm(shapes[index + 1 :] - shape, axis=-1).mean((1, 2))
        assert (apart > 0.02).all()


def test_the_prompts_ask_for_the_word_in_many_ways():
    examples = list(fingerspelling.corpus("dsgs", "dev"))
    for example in examples:
        assert parse_prompt(example.prompt, "dsgs") == (example.text, "dsgs")
    assert len({x.prompt.replace(x.text, "") for x in examples}) > 10


def test_the_words_of_a_text_are_found_once_and_in_order():
    def found(text, language):
        return ["".join(units) for units in word_units(text, language)]

    asked = ["HOW", "DO", "YOU", "SIGN", "A", "B", "X"]
    assert found("How do you sign „a-b“ how 7 x2?", "asl") == asked
    assert found("cat이라는 말을 ASL로", "asl") == ["CAT", "ASL"]
    assert found("How is iki written?", "tsl") == ["İS", "İKİ"]
    assert word_units("Schule", "dsgs") == {("SCH", "U", "L", "E"): "Schule"}
    assert word_units("12 naïve!", "asl") == {tuple("NAIVE"): "naïve"}
    with pytest.raises(TextError):
        word_units("sol", "lse")
