"""What visitors type, in eight languages, and what must come of it: fixed before the rules were."""

from pathlib import Path

import pytest

from signllm_jax import SignLLM
from signllm_jax.core.errors import SignLLMError, TextError
from signllm_jax.text.tokenizer import normalize_text
from signllm_jax.text.visitors import understand

LINES = [
    line.split("\t")
    for line in (Path(__file__).parent / "visitors.tsv").read_text("utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.fixture(scope="module")
def model():
    return SignLLM.load()


def outcome(model, typed, language):
    try:
        request = model.read_typed(typed, language)
    except SignLLMError as error:
        return f"! {error.kind}"
    return f"{request.language} {normalize_text(request.model_input, request.language)}"


def test_nine_of_ten_visitors_get_what_they_meant(model):
    assert len(LINES) >= 150 and len({page for page, *_ in LINES}) == 8
    wrong = [
        (typed, expected, outcome(model, typed, language))
        for _, language, typed, expected in LINES
        if outcome(model, typed, language) != expected
    ]
    assert len(wrong) <= 0.1 * len(LINES), wrong


def test_the_language_that_a_question_names_comes_first(model):
    assert model.read_typed("spell cat in DGS", "asl").language == "gsl"
    assert model.read_typed("cat", "American Sign Language").language == "asl"
    with pytest.raises(TextError, match="Argentine"):
        model.read_typed("gato en LSA", "asl")


def test_what_gave_way_is_told(model):
    request = model.read_typed("café ❤️", "asl")
    assert request.model_input == "cafe" and request.given_way == ("é", "❤")
    assert model.read_typed("cafe", "asl").given_way == ()
    assert model.read_typed("Müller", "gsl").given_way == ()


def test_a_long_text_is_divided_at_pauses_and_a_long_word_is_refused(model):
    request = model.read_typed("how are you my dear friend today", "asl")
    assert request.model_input == "how are you my dear friend today"
    for text, kind in (("a" * 17, "long"), ("word " * 60, "long")):
        with pytest.raises(TextError) as raised:
            model.read_typed(text, "asl")
        assert raised.value.kind == kind


@pytest.mark.parametrize(
    "typed, text, language",
    [
        ("ASL", "ASL", None),
        ("I am in ASL class today", "I am in ASL class today", None),
        ("sign language for school", "school", None),
        ("“Where is the library?” in ASL", "Where is the library?", "asl"),
        ("how do you sign dog", "dog", None),
    ],
)
def test_a_text_is_told_from_a_question(typed, text, language):
    assert understand(typed)[:2] == (text, language)
