"""The batches of Prompt2LangGloss: prompts, lines, made-up words."""

import re

import jax
import numpy as np
import pytest

from signllm_jax.data import fingerspelling
from signllm_jax.data.prompted import CLIPS_ASKED, LineTokenizer, made_up
from signllm_jax.errors import TextError
from signllm_jax.eval.prompt_dev import prompts_for
from signllm_jax.text.asking import ask
from signllm_jax.text.langgloss import EOS, split_marks
from signllm_jax.text.prompt_templates import common_words, patterns
from signllm_jax.text.prompts import SPOKEN, parse_prompt, templates

pytestmark = pytest.mark.usefixtures("cheap_compiles")


def test_the_lines_of_a_row_are_the_langgloss_of_its_first_clips_and_of_made_up_words(prompt_data):
    stage, train_data = prompt_data
    batch = jax.tree.map(lambda x: x[0], train_data.batch(3, [0], [0, 1]))
    for row in range(2):
        lines, segment = batch.prompts.line[row], batch.prompts.line_segment[row]
        clips = min(int((batch.example[row] >= 0).sum()), CLIPS_ASKED)
        assert segment.max() > clips > 0
        for number in range(1, segment.max() + 1):
            line = lines[segment == number]
            assert line[-1] == EOS and len(split_marks(stage.read(line))) == len(line) - 1
            if number <= clips:
                text = batch.text[row][batch.text_segment[row] == number]
                np.testing.assert_array_equal(line[:-1], text)


def test_a_batch_depends_on_the_step_and_row_alone(prompt_data):
    _, train_data = prompt_data
    whole, part = train_data.batch(5, [0], [0, 1]), train_data.batch(5, [0], [1])
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[:, 1:], b), whole, part)
    other = train_data.batch(6, [0], [0, 1])
    assert (other.prompts.units != whole.prompts.units).any()


@pytest.mark.parametrize("language", fingerspelling.LANGUAGES)
def test_made_up_words_are_spelled_in_a_languages_own_letters_and_never_held_out(language):
    random = np.random.default_rng(0)
    held = sorted(fingerspelling.held_out(language))
    made = [made_up(held, language, random) for _ in range(400)]
    spelled = [word for word in made if word is not None]
    assert len(spelled) > 200
    for text, units in spelled:
        assert fingerspelling.spell(text, language) == units
        assert text not in held
    assert made_up(["ğ"], "asl", np.random.default_rng(2)) is None  # English has no ğ
    assert {u for _, units in spelled for u in units} == set(fingerspelling.letters(language))


@pytest.mark.parametrize("language", fingerspelling.LANGUAGES)
def test_the_words_of_the_report_on_prompts_are_in_no_split(language):
    own = fingerspelling.prompt_words(language)
    splits = {word for split in fingerspelling.words(language).values() for word in split}
    assert len(set(own)) == 40 and not splits & set(own)
    assert set(own) < fingerspelling.held_out(language)


def test_small_letters_are_those_of_the_spoken_language():
    assert fingerspelling.small("İIẞÇ", "tsl") == "iıßç" and fingerspelling.small("I", "asl") == "i"


@pytest.mark.parametrize("spoken", SPOKEN)
def test_no_template_of_the_test_is_asked_with_while_training(spoken):
    random = np.random.default_rng(0)
    asked = {ask("§", "asl", random)[0] for _ in range(400)}
    held = [*templates(spoken, "dev"), *templates(spoken, "test")]
    test = {line.partition("{")[0] for line in held if line[0] != "{"}
    train_parts = {line.partition("{")[0] for line in templates(spoken, "train")}
    assert not [a for a in asked for t in test - train_parts if len(t) > 12 and a.startswith(t)]


@pytest.mark.parametrize("spoken", SPOKEN)
def test_no_pattern_makes_a_template_that_is_held_out(spoken):
    held = [*templates(spoken, "dev"), *templates(spoken, "test")]
    for pattern in patterns(spoken):
        pieces = [
            f"({'|'.join(map(re.escape, piece[1:-1].split('|')))})"
            if piece.startswith("(") else re.escape(piece)
            for piece in re.split(r"(\([^()]*\))", pattern)
        ]  # fmt: skip
        assert pattern.count("{}") == 1
        assert not [line for line in held if re.fullmatch("".join(pieces), line)]


@pytest.mark.parametrize("spoken", SPOKEN)
def test_no_word_put_beside_a_text_is_held_out(spoken):
    words = common_words(spoken)
    assert len(words) > 150 or spoken in ("ko", "tr")
    assert not set(words).intersection(*map(fingerspelling.held_out, fingerspelling.LANGUAGES))


def test_an_unquoted_text_stands_beside_many_words_while_training():
    random = np.random.default_rng(0)
    asked = [ask("§", "asl", random)[0] for _ in range(3000)]
    before = {a.partition(" §")[0].rpartition(" ")[2] for a in asked if " §" in a}
    after = {a.partition("§ ")[2].partition(" ")[0] for a in asked if "§ " in a}
    assert len(before) > 200 and len(after) > 200
    assert not [a for a in asked if "(" in a or "|" in a or a.count("§") != 1]


def test_the_caller_names_the_language_where_the_prompt_does_not():
    random = np.random.default_rng(1)
    for _ in range(200):
        prompt, caller = ask("xyz", "tsl", random)
        assert "xyz" in prompt and caller in ("tsl", None)
        if caller is None:
            assert parse_prompt(prompt)[1] == "tsl"
    prompts, callers = prompts_for(["cat", "dog"], "asl", ["en", "en", "fr", "tr"], "test")
    assert len(prompts) == 4 and "cat" in prompts[2]
    for prompt, caller in zip(prompts, callers):
        assert parse_prompt(prompt, caller)[1] == "asl"


def test_a_line_tokenizer_refuses_what_is_no_langgloss(prompt_data):
    with pytest.raises(TextError, match="not a LangGloss token"):
        LineTokenizer(prompt_data[0]).encode("hello")
