"""Made-up words to ask for, which have no clip.

To copy a word that was never met is learned from more words than there are clips of. Where words
are spelled within sentences of signs, a made-up word takes the place of one of those, in a sentence
that is made of two.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from signllm_jax.core.errors import TextError
from signllm_jax.core.languages import get_language
from signllm_jax.corpora import fingerspelling
from signllm_jax.corpora.spelled_names import find_spelled, spelled_glosses
from signllm_jax.data.splits import Source
from signllm_jax.text.asking import frame_words
from signllm_jax.text.langgloss import FINGERSPELLED

HALVES, FRAME = 0.45, 0.15
"""Shares of made-up words from two halves, and of words that stand around texts."""
LONGEST = 8
"""Letters of a made-up word at most, unless it is from two halves."""


Piece = tuple[str, tuple[str, ...] | None]
"""A part of a text and its glosses, or None where it is a spelled word."""


@dataclasses.dataclass(frozen=True)
class MadeUp:
    """What words of a language are made up of, and in which sentences they are said.

    Attributes:
        language: code.
        words: spelled ones that are trained on.
        sentences: the pieces of sentences of signs; none = the word is all that is said.
    """

    language: str
    words: Sequence[str]
    sentences: Sequence[tuple[Piece, ...]] = ()

    def draw(self, random: np.random.Generator) -> tuple[str, list[str]] | None:
        """A text and its glosses; None where the word that was drawn will not do.

        A sentence has the beginning of one and the end of another, so that not all have a spelled
        word, and not the signs beside it but the word itself tells that it is one.
        """
        made = made_up(self.words, self.language, random)
        if made is None or not self.sentences:
            return made
        first, last = (self.sentences[int(random.integers(len(self.sentences)))] for _ in range(2))
        cut, rest = random.integers(1, len(first) + 1), random.integers(len(last) + 1)
        said = [*first[:cut], *last[rest:]][: max(len(first), len(last))]
        spelled = spelled_glosses(made[0], self.language)
        texts = [made[0] if glosses is None else text for text, glosses in said]
        return " ".join(texts), [g for _, own in said for g in (spelled if own is None else own)]


def words_of(source: Source) -> MadeUp:
    """Of a train split whose texts are words that are spelled."""
    return MadeUp(source.language, source.texts)


def names_of(source: Source) -> MadeUp:
    """Of a train split of sentences, the words that are spelled in them; most corpora have none.

    Sentences are kept whose texts say their glosses in order, as those of composed sentences do.
    """
    words, sentences = [], []
    for text, glosses in zip(source.texts, source.units, strict=True):
        pieces = pieces_of(text, glosses, source.language)
        words += [said for said, own in pieces if own is None]
        sentences += [pieces] if pieces else []
    return MadeUp(source.language, words, sentences)


def pieces_of(text: str, glosses: Sequence[str], language: str) -> tuple[Piece, ...]:
    """A sentence sign by sign: `hello anna`, `HELLO FS:A FS:N FS:N FS:A` -> hello, anna.

    Returns:
        The pieces, none where the text says anything but its glosses.
    """
    spelled, rest = find_spelled(text, glosses, language), list(glosses)
    said, pieces = text.split(), []
    while rest:
        if rest[0].startswith(FINGERSPELLED):
            if not spelled or said[:1] != spelled[:1]:
                return ()
            del rest[: len(spelled_glosses(spelled[0], language))], said[:1]
            pieces.append((spelled.pop(0), None))
            continue
        sign = rest.pop(0)
        words = sign.casefold().split("-")
        if [word.casefold() for word in said[: len(words)]] != words:
            return ()
        pieces.append((" ".join(said[: len(words)]), (sign,)))
        del said[: len(words)]
    return () if said else tuple(pieces)


def made_up(
    texts: Sequence[str], language: str, random: np.random.Generator
) -> tuple[str, list[str]] | None:
    """A word to ask for and how it is spelled: the first half of one word with the second half of
    another, two to eight letters at random, or one that often stands around what is asked for, so
    that not the word but its place tells the two apart.

    None where the language cannot spell it, or it happens to be a word that is held out.
    """
    kind = random.random()
    if kind < HALVES:
        word, other = (texts[int(i)] for i in random.integers(len(texts), size=2))
        text = word[: (len(word) + 1) // 2] + other[len(other) // 2 :]
    elif kind < HALVES + FRAME:
        around = frame_words(get_language(language).spoken)
        text = fingerspelling.small(around[random.integers(len(around))], language)
        if len(text) > LONGEST:
            return None
    else:
        known = fingerspelling.letters(language)
        chosen = (
            known[i] for i in random.integers(len(known), size=random.integers(2, LONGEST + 1))
        )
        text = fingerspelling.small("".join(chosen), language)
    if text in fingerspelling.held_out(language):
        return None
    try:
        return text, fingerspelling.spell(text, language)
    except TextError:
        return None
