"""The texts of the demo, and the many signers."""

import collections
import hashlib
import itertools

import numpy as np
import pytest

from signllm_jax.core.errors import DataError
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora import fingerspelling, signers, spelled_signers, spelled_texts
from signllm_jax.corpora.embedded import EMBEDDED
from signllm_jax.corpora.fingerspelling import LANGUAGES, SPLITS, spell, spelled_clip
from signllm_jax.corpora.joining import PAUSE_FRAMES
from signllm_jax.corpora.letters import letters

each_language = pytest.mark.parametrize("language", LANGUAGES)
RIGHT, LEFT = (list(OPENPOSE50.groups[f"{side}_hand"]) for side in ("right", "left"))


def spelled(text, language):
    return tuple(tuple(spell(word, language)) for word in text.split())


@each_language
def test_splits_share_no_text_and_have_all_lengths_from_1_to_16(language):
    splits = spelled_texts.texts(language)
    every = [spelled(text, language) for split in SPLITS for text in splits[split]]
    assert len(set(every)) == len(every)
    for split in SPLITS:
        sizes = {spelled_texts.tokens(text, language) for text in splits[split]}
        assert min(sizes) == 1 and 14 <= max(sizes) <= 16
        assert sum(" " in text for text in splits[split]) >= 10
    assert len(splits["dev"]) == len(splits["test"]) == 96
    for split in ("dev", "test"):  # the short words of the other data set, and longer ones
        assert set(fingerspelling.words(language)[split]) < set(splits[split])


def doubled(texts, language):
    """Unit -> how often it follows itself within a word."""
    words = [word for text in texts for word in spelled(text, language)]
    pairs = [pair for word in words for pair in itertools.pairwise(word)]
    return collections.Counter(a for a, b in pairs if a == b)


@each_language
def test_train_meets_every_letter_alone_and_every_doubled_letter_often(language):
    splits = spelled_texts.texts(language)
    held = [*splits["dev"], *splits["test"]]
    single = [
        {text for text in texts if spelled_texts.tokens(text, language) == 1}
        for texts in (splits["train"], held)
    ]
    assert len(single[0]) == len(letters(language)) - len(single[1]) and len(single[1]) == 4
    trained = doubled(splits["train"], language)
    assert len(trained) >= len(letters(language)) - 1  # no word can tell ÖÖÖÖ from ÖÖÖÖ
    assert min(trained[unit] for unit in doubled(held, language)) >= 8


def test_the_made_texts_are_the_same_on_every_machine():
    digest = hashlib.sha256(repr(spelled_texts.texts("asl")["train"]).encode()).hexdigest()
    spelled_texts._lists.cache_clear()
    again = hashlib.sha256(repr(spelled_texts.texts("asl")["train"]).encode()).hexdigest()
    assert digest == again


def test_a_pause_between_words_lasts_and_the_hand_sinks_in_it():
    clip = spelled_clip("new york", "asl")
    assert len(clip) == 7 * 12 + 5 * 4 + PAUSE_FRAMES
    words = [spelled_clip(word, "asl") for word in ("news", "york")]
    np.testing.assert_array_equal(clip.positions[: 12 * 2 + 4], words[0].positions[: 12 * 2 + 4])
    np.testing.assert_array_equal(clip.positions[-60:], words[1].positions[-60:])
    pause = slice(3 * 12 + 2 * 4, 3 * 12 + 2 * 4 + PAUSE_FRAMES)
    height = clip.positions[:, RIGHT, 1].mean(1)
    assert height[pause].max() > max(height[pause.start - 1], height[pause.stop]) + 0.2


def test_a_text_of_several_words_keeps_them_apart_in_id_and_prompt():
    examples = {e.text: e for e in spelled_texts.corpus("gsl", "test")}
    example = examples["guten abend"]
    assert example.id == "gsl_fingerspelling_texts_guten_abend"
    assert "guten abend" in example.prompt
    assert "".join(example.units) == "GUTENABEND"


def test_families_hold_letters_that_look_alike_and_eight_signers_have_most_of_them():
    found = signers.families()
    assert 200 <= sum(map(len, found.values())) <= 260
    for signer in signers.SIGNERS:
        assert 18 <= len(signers.own_letters(signer)) <= 23
    for family in found.values():
        shapes = [take.shape for take in family.values()]
        for shape in shapes:
            distance = [np.sqrt(((shape - other) ** 2).sum(-1).mean()) for other in shapes]
            assert max(distance) < 2.5 * signers.NEAR


@pytest.mark.parametrize("signer", signers.SIGNERS)
def test_a_signer_spells_all_letters_with_one_hand_of_one_size_in_one_place(signer):
    made = signers.signer_alphabet(signer)
    shown, hidden = (LEFT, RIGHT) if signer == "ise" else (RIGHT, LEFT)
    sizes, noses = [], []
    for letter in made.values():
        assert (letter.confidence[:, shown] == 1).all() and not letter.confidence[:, hidden].any()
        hand = letter.positions[6, shown, :2] - letter.positions[6, shown[0], :2]
        sizes.append(np.sqrt((hand**2).sum(-1).mean()))
        noses.append(letter.positions[6, 0])
        assert np.abs(np.diff(letter.positions[:, shown], axis=0)).max() < 1
    assert max(sizes) < 3 * min(sizes)
    assert np.ptp(noses, axis=0)[:2].max() < 0.4
    assert tuple(made) == signers.LETTERS


def test_a_borrowed_letter_keeps_the_donors_shape():
    missing = sorted(set(signers.LETTERS) - set(signers.own_letters("ise")))
    made = signers.signer_alphabet("ise")
    for letter in missing:
        shape = signers.Take(made[letter], 1).shape
        nearest = min(
            np.abs(shape - take.shape).max()
            for signer, take in signers.families()[letter].items()
            if signer not in signers.UNSEEN
        )
        assert nearest < 1e-9


@pytest.fixture(scope="module")
def dev():
    return list(spelled_signers.corpus("asl", "dev"))


def test_a_clip_is_by_one_named_signer_and_takes_of_a_text_by_different_ones(dev):
    takes = collections.defaultdict(list)
    for example in dev:
        takes[example.text].append(example)
    assert tuple(takes) == spelled_texts.texts("asl")["dev"]
    for own in takes.values():
        assert len({example.signer for example in own}) == len(own) == 2
    assert {example.signer for example in dev} == set(signers.SIGNERS)
    assert len({example.id for example in dev}) == len(dev)
    left = [example.clip.observed[:, LEFT].any() for example in dev]
    assert left == [example.signer == "ise" for example in dev]


def test_tempo_differs_and_is_9_to_16_frames_a_letter(dev):
    tempos = set()
    for example in dev:
        words = example.text.split()
        size = len(example.units)
        joins = 4 * (size - len(words)) + PAUSE_FRAMES * (len(words) - 1)
        tempo, rest = divmod(len(example.clip) - joins, size)
        assert rest == 0
        tempos.add(tempo)
    assert tempos == set(range(9, 17))


def test_the_second_test_has_signers_and_texts_that_no_other_split_has():
    made = list(spelled_signers.corpus("asl", spelled_signers.SIGNER_TEST))
    assert {example.signer for example in made} == set(signers.UNSEEN)
    others = {text for split in SPLITS for text in spelled_texts.texts("asl")[split]}
    assert not others & {example.text for example in made}
    for example in made:
        assert set(example.units) <= set(signers.own_letters(example.signer))


def test_the_corpus_of_signers_is_deterministic_and_prepares_alone(tmp_path):
    from signllm_jax.data import splits as source

    first = list(spelled_signers.corpus("asl", "dev"))
    for cached in (signers.takes, signers.families, signers.signer_alphabet):
        cached.cache_clear()
    for one, again in zip(first, spelled_signers.corpus("asl", "dev"), strict=True):
        assert (one.id, one.signer, one.units) == (again.id, again.signer, again.units)
        np.testing.assert_array_equal(one.clip.positions, again.clip.positions)
    assert EMBEDDED["fingerspelling_signers"].splits == (*SPLITS, "test_signers")
    with pytest.raises(DataError, match="known are train, dev, test, test_signers"):
        source.open_split("fingerspelling_signers", "asl", "other", tmp_path)


@pytest.mark.slow
def test_the_prepared_records_name_their_signers(tmp_path):
    from signllm_jax.data import splits as source

    opened = {
        split: source.open_split("fingerspelling_signers", "asl", split, tmp_path)
        for split in (*SPLITS, "test_signers")
    }
    assert [len(opened[split]) for split in opened] == [
        2 * len(spelled_texts.texts("asl")["train"]),
        192,
        384,
        120,
    ]
    for split in ("dev", "test", "test_signers"):
        assert not set(opened[split].texts) & set(opened["train"].texts)
    assert {opened["dev"][i]["signer"] for i in range(192)} == set(signers.SIGNERS)
    assert {opened["test_signers"][i]["signer"] for i in range(120)} == set(signers.UNSEEN)
