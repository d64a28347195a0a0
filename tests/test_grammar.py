"""Grammars of signed sentences: what they say, what is refused, and the sentences drawn."""

import pytest

from signllm_jax.core.errors import DataError
from signllm_jax.corpora.grammar import FINGERSPELLED_WORD, parse_grammar, read_grammar
from signllm_jax.corpora.sentence_draws import draw_sentences

CAFE = """
# in a café
sentence = [hello] order | thing "thank you"   # two ways
order = i get thing
    | thing please
thing = [(a | one) big] (tea | coffee)

%signs 2 5
%train 8 2
%dev 3
%test 4
%test_sessions evening
"""


def refused(text, match):
    with pytest.raises(DataError, match=match) as caught:
        draw_sentences(parse_grammar(text, "g.txt"))
    assert "\n" not in str(caught.value)


def test_a_grammar_has_its_signs_sizes_and_sessions():
    grammar = parse_grammar(CAFE)
    signs = ("a", "big", "coffee", "get", "hello", "i", "one", "please", "tea", "thank you")
    assert grammar.signs == signs
    assert (grammar.fewest, grammar.most) == (2, 5)
    assert grammar.sizes == {"train": (8, 2), "dev": (3, 1), "test": (4, 1)}
    assert grammar.sessions == {"train": (), "dev": (), "test": ("evening",)}


def test_sentences_follow_the_rules_and_no_split_shares_one():
    drawn = draw_sentences(parse_grammar(CAFE))
    assert {split: len(own) for split, own in drawn.items()} == {"train": 8, "dev": 3, "test": 4}
    sentences = [sentence for own in drawn.values() for sentence in own]
    assert len(set(sentences)) == 15
    for sentence in sentences:
        assert 2 <= len(sentence) <= 5
        assert sentence[-1] in ("tea", "coffee", "please", "thank you")
        assert ("i" in sentence) == ("get" in sentence)
        assert not {"a", "one"} & set(sentence) or "big" in sentence
    assert any("hello" in sentence for sentence in sentences)
    assert any("big" in sentence for sentence in sentences)


def test_the_same_grammar_draws_the_same_sentences_and_another_draws_others():
    other = CAFE.replace("# in a café", "# in another café")
    assert draw_sentences(parse_grammar(CAFE)) == draw_sentences(parse_grammar(CAFE))
    assert draw_sentences(parse_grammar(CAFE)) != draw_sentences(parse_grammar(other))


def test_a_spelled_word_is_no_sign():
    text = "sentence = i <spelled> [tea] | <spelled> tea\n%train 1\n%dev 1\n%test 1\n"
    grammar = parse_grammar(text)
    assert grammar.signs == ("i", "tea") and grammar.spells
    assert not parse_grammar(CAFE).spells
    assert all(
        FINGERSPELLED_WORD in sentence
        for own in draw_sentences(grammar).values()
        for sentence in own
    )
    refused(text.replace("<spelled> tea", "<name> tea"), "line 1: not understood from ' <name>")


def test_a_sign_in_quotation_marks_is_no_rule():
    text = 'sentence = "a" a\na = b | c\n%train 1\n%dev 1\n%test 1\n'
    assert parse_grammar(text).signs == ("a", "b", "c")
    refused(text, "3 sentences are asked for .* it has 2 of 2 to 7 signs")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("order = a b", "no rule 'sentence'"),
        ("sentence = a b\nsentence = c d", "line 2: the rule 'sentence' stands there twice"),
        ("sentence a b", "line 1: neither NAME = ALTERNATIVES"),
        ("sentence = a |", "line 1: an alternative is empty"),
        ("sentence = [a b", "line 1: ']' is missing"),
        ("sentence = (a b]", "line 1: ']' closes what it did not open"),
        ("sentence = a b)", "line 1: '\\)' closes"),
        ("sentence = a = b", "line 1: not understood from ' = b'"),
        ('sentence = "a b', "line 1: not understood"),
        ("sentence = a x\nx = b [sentence]", "the rule 'sentence' asks for itself"),
        ("sentence = a b\nx = c", "no sentence asks for the rule 'x'"),
        ("sentence = a b\n%most 3", "line 2: unknown setting %most: known are %signs"),
        ("sentence = a b\n%signs 3", "line 2: %signs has two numbers"),
        ("sentence = a b\n%signs 3 2", "line 2: %signs has two numbers"),
        ("sentence = a b\n%train many", "line 2: %train has the number of sentences"),
        ("sentence = a b\n%test 0", "line 2: %test has the number of sentences"),
        ("sentence = a b\n%test_sessions", "line 2: %test_sessions names no session"),
        ("sentence = a b\n%test 1\n%test 1", "line 3: %test stands there twice"),
        ("sentence = a b | a c\n%train 1\n%dev 1\n%test 1", "3 sentences are asked for"),
        (
            "sentence = a b | c d | e f\n%train 1\n%dev 1\n%test 1",
            "the sign '.' is in no sentence of train: ask for more",
        ),
    ],
)
def test_a_grammar_that_is_none_is_refused_in_one_line(text, match):
    refused(text, match)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        read_grammar(tmp_path / "none.txt")
