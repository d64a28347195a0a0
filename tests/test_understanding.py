"""What a text stage makes of prompts: a word of theirs where it spells, else what it writes."""

import itertools

import jax
import pytest
import tiny

from signllm_jax.corpora import fingerspelling
from signllm_jax.inference.prompt_to_gloss import understand
from signllm_jax.inference.text_to_gloss import Translator
from signllm_jax.models.prompt2langgloss import text_params
from signllm_jax.text.langgloss import from_langgloss, split_marks, to_langgloss
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


class Wrote(Translator):
    """A text stage that writes given lines, and among others prefers those that say a word."""

    def __init__(self, *lines, prefers):
        self.lines, self.prefers, self.asked = lines, prefers, []

    def __call__(self, params, prompts, languages):
        return [marked(line) for line in self.lines]

    def choose(self, params, prompts, languages, choices):
        self.asked.append([[spelled(line) for line in own] for own in choices])
        return [
            next((marked(" ".join(line)) for line in own if self.prefers in spelled(line)), [])
            for own in choices
        ]


def marked(line):
    return to_langgloss(line.split(), "asl")


def spelled(line):
    runs = itertools.groupby(line, lambda gloss: gloss.startswith("FS:"))
    return " ".join(("" if spells else " ").join(run) for spells, run in runs).replace("FS:", "")


def understood(stage, *prompts):
    lines = understand(stage, "prompt2sign/asl_cafe", {}, prompts, ["asl"] * len(prompts))
    return [" ".join(gloss for _, gloss in split_marks(line)) for line in lines]


def test_a_name_that_is_misspelled_in_a_sentence_is_spelled_as_the_prompt_has_it():
    wrote = "HELLO FS:A FS:N FS:A", "I FS:T FS:O FS:M GET TEA", "NO"
    stage = Wrote(*wrote, prefers="ANNA")
    prompts = "hello anna, in ASL", "i tom get tea", "no anna"
    assert understood(stage, *prompts) == ["HELLO FS:A FS:N FS:N FS:A", *wrote[1:]]
    # the words of its prompt one by one, then two by two; the line that is right is not asked about
    ((words,),) = stage.asked
    assert words[:3] == ["HELLO HELLO", "HELLO ANNA", "HELLO IN"]
    assert "HELLO HELLOANNA" in words and len(words) == 4 + 3


def test_each_of_several_names_is_spelled_as_the_prompt_has_it():
    rest = "HELLO FS:T FS:O FS:N FS:Y"
    stage = Wrote(f"FS:A FS:N {rest}", prefers="ANNA")
    # two words side by side are a name as well
    assert understood(stage, "anna hello to ny") == [
        "FS:A FS:N FS:N FS:A HELLO FS:T FS:O FS:N FS:Y"
    ]
    stage = Wrote("FS:A FS:N HELLO FS:T FS:O", prefers="HELLO")
    assert understood(stage, "anna tom") == ["FS:A FS:N FS:N FS:A HELLO FS:A FS:N FS:N FS:A"]
    assert len(stage.asked) == 2


def test_a_line_stays_where_no_word_of_the_prompt_can_be_spelled_or_none_is_chosen():
    stage = Wrote("HELLO FS:A FS:N FS:A", prefers="ANNA")
    assert understood(stage, "12?") == understood(stage, "hello tom") == ["HELLO FS:A FS:N FS:A"]


def test_a_quoted_text_is_asked_for_as_one_without_a_prompt_is():
    quoted = "Hiya! Whoever knows “tree”, in ASL, let me see it"
    asked = question(quoted)
    assert asked == question("»tree« - ASL?!")
    assert "tree" in asked.prompt and (asked.language, asked.text) == ("asl", "tree")
    assert asked.certain and "Hiya" not in asked.prompt
    bare = "Whoever knows tree in ASL, let me see it"
    assert question(bare) == (bare, "asl", None, False)
