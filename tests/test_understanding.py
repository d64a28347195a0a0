"""What a text stage makes of prompts: a word of theirs where it spells, else what it writes."""

import jax
import pytest
import tiny

from signllm_jax.corpora import fingerspelling
from signllm_jax.inference.prompt_to_gloss import understand
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.models.prompt2langgloss import text_params
from signllm_jax.text.langgloss import from_langgloss
from signllm_jax.text.prompts import question

PROMPTS = ("Please show me tree by hand", "ağaç için işaret ne", "12?", "How is Öl signed?")
LANGUAGES = ("asl", "tsl", "asl", "asl")


@pytest.fixture(scope="module")
def reading(untrained_group):
    group = untrained_group
    params = text_params(jax.tree.map(lambda leaf: leaf[None], group.params))
    translator = Translator(group.model, group.text_stage, tiny.one_device(), 2)
    return lambda dataset, *asked: understand(translator, dataset, params, *asked)


def test_fingerspelling_is_a_word_of_the_prompt_in_the_language_asked_for(reading):
    lines = reading("fingerspelling", PROMPTS, LANGUAGES)
    assert lines[0] and lines[1]
    for prompt, code, line in zip(PROMPTS, LANGUAGES, lines):
        words = fingerspelling.word_units(prompt, code)
        if words and line:
            glosses, written_in = from_langgloss(" ".join(line))
            assert tuple(glosses) in words and written_in == code


def test_a_word_that_cannot_be_spelled_is_not_replaced_by_another(reading):
    """asl has no Ï."""
    assert reading("fingerspelling", ["naïve?", "naïve?"], ["asl", "tsl"]) == [[], []]
    assert reading("fingerspelling", ["naive?"], ["asl"]) == [[f"<asl:{x}>" for x in "NAIVE"]]


def test_other_data_sets_and_prompts_without_a_word_are_written_freely(reading):
    free = reading("phoenix14t", PROMPTS, LANGUAGES)
    assert free[2] == reading("fingerspelling", PROMPTS, LANGUAGES)[2]
    assert free != reading("fingerspelling", PROMPTS, LANGUAGES)
    assert reading("fingerspelling", [], []) == []


def test_a_quoted_text_is_asked_for_as_one_without_a_prompt_is():
    quoted = "Hiya! Whoever knows “tree”, in ASL, let me see it"
    asked = question(quoted)
    assert asked == question("»tree« - ASL?!")
    assert "tree" in asked.prompt and (asked.language, asked.text) == ("asl", "tree")
    assert asked.certain and "Hiya" not in asked.prompt
    bare = "Whoever knows tree in ASL, let me see it"
    assert question(bare) == (bare, "asl", None, False)
