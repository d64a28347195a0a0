"""Using Prompt2LangGloss: what is understood, and what is refused."""

import dataclasses

import pytest
from prompted import CODES

from signllm_jax.api import SignLLM
from signllm_jax.core.errors import ConfigError, TextError
from signllm_jax.prompted import PromptedSignLLM

pytestmark = pytest.mark.usefixtures("cheap_compiles")


class Knowing(PromptedSignLLM):
    """A model whose text stage writes what it is told to."""

    wrote = ()

    def __init__(self, group):
        super().__init__(group)
        self._translators = dict.fromkeys(self._translators, self)

    def __call__(self, params, texts, languages):
        return [list(self.wrote)] * len(texts)

    def choose(self, params, texts, languages, choices):
        return [[]] * len(texts)


@pytest.fixture(scope="module")
def model(untrained_group):
    return PromptedSignLLM(untrained_group)


@pytest.mark.slow
def test_a_run_is_loaded_as_what_it_is_and_produces(prompted_run):
    model = SignLLM.load(prompted_run)
    assert isinstance(model, PromptedSignLLM) and model.languages == CODES
    model.warm_up()


def test_what_is_understood_has_the_marks_of_the_language_asked_for(untrained_group):
    knowing = Knowing(untrained_group)
    knowing.wrote = ["<tsl:H>", "<asl:I>"]
    asked = "How do you sign 'dgs' in ASL?"
    assert knowing.understood(None, None, asked) == "<asl:H> <asl:I>"
    assert len(knowing.produce(prompt=asked)) > 0
    assert knowing.understood("hi", "tsl") == "<tsl:H> <tsl:I>"
    (signed,) = knowing.sign([asked], "tsl")
    assert signed.gloss == "<tsl:H> <tsl:I>" and len(signed.clip) > 0
    knowing.wrote = []
    with pytest.raises(TextError, match="nothing to sign was understood"):
        knowing.produce(prompt=asked)
    assert isinstance(knowing.sign([asked], "tsl")[0], TextError)


@pytest.mark.parametrize(
    ("prompt", "language", "message"),
    [
        ("How do you sign '' in ASL?", None, "nothing to sign"),
        (f"How do you sign '{'a' * 10_000}' in ASL?", None, "the model reads at most 159"),
        (
            "How do you sign 'hi there' in ASL?",
            None,
            "cannot spell 'hi there'.* no recorded letter",
        ),
        ("How do you sign 'a {} 🙂\n\"b\"' in ASL?", None, "cannot spell"),
        ("How do you sign 'naïve' in ASL?", None, "cannot spell 'naïve'.* no recorded letter 'Ï'"),
        (
            "How do you sign 'answer in Turkish Sign Language' in ASL?",
            None,
            "American Sign Language",
        ),
        ("How do you sign 'hi'?", None, "does not say which"),
        ("How do you sign 'hi' in ASL?", "tsl", "asks for asl"),
        ("How do you sign 'hi' in ASL or Turkish Sign Language?", None, "several"),
        ("How do you sign 'hi' in British Sign Language?", None, "known are"),
        ("Hoe gebaar je 'hallo'?", None, "does not say which"),
        ("", "asl", "empty"),
    ],
)
def test_prompts_that_cannot_be_answered_say_why(model, prompt, language, message):
    with pytest.raises(TextError, match=message):
        model.resolve(None, language, prompt)


@pytest.mark.parametrize(
    ("dataset", "prompt"),
    [
        ("fingerspelling", "How do you sign 'dgs' in ASL?"),
        ("fingerspelling", "Hoe gebaar je 'hallo' in ASL?"),  # a spoken language without templates
        ("prompt2sign", "How do you sign 'answer in Turkish Sign Language' in ASL?"),
        ("prompt2sign", "How do you sign 'a {} 🙂\n\"b\"' in ASL?"),
    ],
)
def test_what_stands_in_a_prompts_text_never_decides_the_language(untrained_group, dataset, prompt):
    model = PromptedSignLLM(dataclasses.replace(untrained_group, dataset=dataset))
    assert model.resolve(None, None, prompt)[1] == "asl"


def test_a_language_that_the_run_has_not_is_refused(model):
    with pytest.raises(ConfigError, match="this run has asl, tsl"):
        model.resolve(None, None, "How do you sign 'hi' in German Sign Language?")
