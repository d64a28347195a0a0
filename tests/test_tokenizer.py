import pytest

from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.corpora import fingerspelling
from signllm_jax.text.spelling import left_out, spelled_parts
from signllm_jax.text.tokenizer import PAD, Tokenizer, normalize_text, train_tokenizer

SENTENCES = (
    "the weather tomorrow will be fine",
    "rain in the north, sun in the south",
    "tomorrow the wind comes from the west",
)


def letters(language, rows=128):
    examples = list(fingerspelling.corpus(language, "train"))
    units = [unit for example in examples for unit in example.units]
    return train_tokenizer([e.text for e in examples], units, "letters", rows, language)


@pytest.fixture(scope="module")
def of():
    return {language: letters(language) for language in fingerspelling.LANGUAGES}


@pytest.fixture(scope="module")
def pieces():
    return train_tokenizer(SENTENCES * 9, [], "pieces", 320, "asl")


@pytest.mark.parametrize("language", fingerspelling.LANGUAGES)
def test_a_word_has_a_token_for_every_unit_that_is_signed(of, language):
    for split in fingerspelling.SPLITS:
        for word in fingerspelling.words(language)[split]:
            ids = of[language].encode(word)
            assert len(ids) == len(fingerspelling.spell(word, language)), word
            assert PAD not in ids and max(ids) < of[language].size
            assert of[language].decode(ids) == normalize_text(word, language)


def test_the_longest_unit_is_taken(of):
    assert of["dsgs"].pieces(of["dsgs"].encode("Schule")) == ["sch", "u", "l", "e"]
    assert of["dsgs"].pieces(of["dsgs"].encode("Dach")) == ["d", "a", "ch"]
    assert of["gsl"].pieces(of["gsl"].encode("Schule")) == list("schule")


def test_case_follows_the_spoken_language(of):
    assert normalize_text("ILIK İYİ", "tsl") == "ılık iyi"
    assert normalize_text("IN", "asl") == "in"
    assert of["tsl"].encode("İYİ") == of["tsl"].encode("iyi") != of["tsl"].encode("IYI")
    assert of["gsl"].encode("U\u0308ber") == of["gsl"].encode("Über")  # not composed


def test_white_space_is_folded(of):
    assert of["asl"].encode("  bad\n") == of["asl"].encode("bad")


@pytest.mark.parametrize(
    ("language", "text", "letter"),
    [("asl", "naïve", "ï"), ("tsl", "taxi", "x"), ("asl", "two words", " ")],
)
def test_what_cannot_be_spelled_is_refused_by_name(of, language, text, letter):
    with pytest.raises(TextError, match=f"has no letter '{letter}'") as caught:
        of[language].encode(text)
    assert text in str(caught.value)
    assert ("write 'i' for it" in str(caught.value)) == (letter == "ï")


def test_numbers_are_to_be_written_as_words(of):
    with pytest.raises(TextError, match="cannot spell 'ab1': numbers are not recorded") as caught:
        of["gsl"].encode("ab1")
    assert caught.value.kind == "digits"


def test_what_cannot_be_spelled_is_told_of_the_whole_text():
    spaced = train_tokenizer(["my sister was born on may", "hi you"], [], "letters", 64, "asl")
    text = "my sister was born on 3 may"
    with pytest.raises(TextError, match=f"cannot spell '{text}': numbers are not recorded"):
        spelled_parts(text.replace("on", "on,"), spaced, most=8)
    assert spelled_parts("my sister", spaced, most=8) == ["my", "sister"]
    assert left_out("hi, you!", spaced) == "left out: , !; read as: hi you"


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_text_is_refused(of, pieces, text):
    for tokenizer in (of["asl"], pieces):
        with pytest.raises(TextError, match="empty"):
            tokenizer.encode(text)


@pytest.mark.parametrize(
    "text", ["the sun", "naïve 1,000 €", "łódź 天気 🙂", "under_score", "q\x00x", "a  b"]
)
def test_pieces_give_any_text_back(pieces, text):
    ids = pieces.encode(text)
    assert PAD not in ids and max(ids) < pieces.size
    assert pieces.decode([*ids, PAD, PAD]) == normalize_text(text, "asl")


def test_pieces_are_longer_than_letters_and_do_not_exceed_their_rows(pieces):
    assert len(pieces.encode(SENTENCES[0])) < len(SENTENCES[0]) * 2 / 3
    assert pieces.size <= 320


def test_training_twice_gives_the_same_bytes(of):
    assert letters("dsgs").model == of["dsgs"].model


def test_a_tokenizer_is_its_bytes(of):
    again = Tokenizer(of["dsgs"].model, "letters", "dsgs")
    assert again.encode("Schule") == of["dsgs"].encode("Schule")


def test_too_few_rows_are_refused_naming_the_key():
    with pytest.raises(ConfigError, match=r"config\.model\.vocab: asl needs 2\d token rows, not 8"):
        letters("asl", 8)
    with pytest.raises(ConfigError, match=r"config\.model\.vocab = 40 for asl"):
        train_tokenizer(SENTENCES, [], "pieces", 40, "asl")
