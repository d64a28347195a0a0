"""The batches of Prompt2LangGloss: prompts, lines, made-up words."""

import re

import jax
import numpy as np
import pytest

from signllm_jax.core.errors import TextError
from signllm_jax.corpora import fingerspelling
from signllm_jax.data.made_up import made_up
from signllm_jax.data.prompt_sampling import CLIPS_ASKED
from signllm_jax.eval.prompt_dev import prompts_for
from signllm_jax.text import asking
from signllm_jax.text.asking import ask
from signllm_jax.text.langgloss import EOS, split_marks
from signllm_jax.text.prompt_templates import common_words, pattern_sections, patterns
from signllm_jax.text.prompts import SPOKEN, parse_prompt, question, templates
from signllm_jax.text.stage import LineTokenizer


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
def test_no_template_that_is_held_out_is_asked_with_while_training(spoken, monkeypatch):
    held = [*templates(spoken, "dev"), *templates(spoken, "test")]
    other = "{} and nothing like it"
    monkeypatch.setattr(asking, "patterns", lambda _: (*held, *map(str.lower, held), *[other] * 20))
    random = np.random.default_rng(0)
    frames = ["{}".join(asking.frame(spoken, random)) for _ in range(100)]
    assert not {frame.lower() for frame in frames} & {line.lower() for line in held}
    assert any("nothing" in frame for frame in frames)
    marked = [line.replace("{language}", "{short}").replace("?", "") + " !" for line in held]
    assert all(asking.is_held_out(line, spoken) for line in marked)
    assert not asking.is_held_out(other, spoken)


@pytest.mark.parametrize("spoken", SPOKEN)
def test_every_section_of_the_patterns_is_used_and_every_pattern_asks_for_one_text(spoken):
    sections, random = pattern_sections(spoken), np.random.default_rng(0)
    lines = [*patterns(spoken), *(line for own in sections.values() for line in own)]
    used = {name for line in lines for name in re.findall(r"<(\w+)>", line)}
    assert used == set(sections)
    for line in (
        *patterns(spoken),
        *(line for name in ("core", "short", "plain", "more") for line in sections[name]),
    ):
        for _ in range(3):
            made = asking.fill(line, spoken, random)
            assert made.count("{}") == 1 and not re.search(r"<\w+>|[|()]|  ", made)


@pytest.mark.parametrize("spoken", SPOKEN)
def test_a_text_stands_at_the_start_in_the_middle_and_at_the_end_while_training(spoken):
    random = np.random.default_rng(0)
    frames = [asking.frame(spoken, random) for _ in range(400)]
    marks = {mark for pair in asking.QUOTES for mark in pair}
    bare = [
        (b, a) for b, a in frames if not (b.endswith(tuple(marks)) or a.startswith(tuple(marks)))
    ]
    places = [(b.strip() > "", a.strip(" .?!…") > "") for b, a in bare]
    for place in ((False, True), (True, True), (True, False)):
        assert places.count(place) > 5, places.count(place)


@pytest.mark.parametrize("spoken", SPOKEN)
def test_no_word_put_beside_a_text_is_held_out(spoken):
    words = common_words(spoken)
    assert len(words) > (100 if spoken in ("ko", "tr") else 150)
    assert not set(words).intersection(*map(fingerspelling.held_out, fingerspelling.LANGUAGES))


def test_an_unquoted_text_stands_beside_many_words_while_training():
    random = np.random.default_rng(0)
    asked = [ask("§", "asl", random)[0] for _ in range(3000)]
    before = {a.partition(" §")[0].rpartition(" ")[2] for a in asked if " §" in a}
    after = {a.partition("§ ")[2].partition(" ")[0] for a in asked if "§ " in a}
    assert len(before) > 200 and len(after) > 200
    assert not [a for a in asked if "(" in a or "|" in a or a.count("§") != 1]


def language_read(prompt, caller):
    """The sign language that the rules find, None where they refuse."""
    try:
        return question(prompt, caller).language
    except TextError:
        return None


def test_the_caller_names_the_language_where_the_prompt_does_not():
    random = np.random.default_rng(1)
    found = []
    for _ in range(200):
        prompt, caller = ask("xyz", "tsl", random)
        assert "xyz" in prompt and caller in ("tsl", None)
        if caller is None:
            found.append(language_read(prompt, None))
    assert len(found) > 30 and set(found) <= {"tsl", None}
    assert found.count(None) < 0.1 * len(found)  # to the rules all after a colon may be the text
    prompts, callers = prompts_for(["cat", "dog"], "asl", ["en", "en", "fr", "tr"], "test")
    assert len(prompts) == 4 and "cat" in prompts[2]
    for prompt, caller in zip(prompts, callers):
        assert parse_prompt(prompt, caller)[1] == "asl" == language_read(prompt, caller)
    assert language_read("How do you sign cat in British Sign Language?", None) is None


@pytest.mark.parametrize("spoken", SPOKEN)
def test_every_template_of_a_split_is_asked_with_as_often_as_the_others(spoken):
    lines = templates(spoken, "dev")
    prompts, callers = prompts_for(["§§"], "gsl", [spoken] * 2 * len(lines), "dev")
    for line in lines:
        pattern = re.escape(line).replace(r"\{\}", "§§").replace(r"\{language\}", ".+")
        assert sum(bool(re.fullmatch(pattern, prompt)) for prompt in prompts) >= 2
    assert callers.count(None) == 2 * sum("{language}" in line for line in lines)


def test_a_line_tokenizer_refuses_what_is_no_langgloss(prompt_data):
    with pytest.raises(TextError, match="not a LangGloss token"):
        LineTokenizer(prompt_data[0]).encode("hello")


def test_few_of_the_words_that_the_report_asks_for_stand_around_texts():
    around = {word.lower() for spoken in SPOKEN for word in asking.frame_words(spoken)}
    asked = [w for code in fingerspelling.LANGUAGES for w in fingerspelling.prompt_words(code)]
    assert 0 < sum(word in around for word in asked) < 0.1 * len(asked)
