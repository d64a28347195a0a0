"""Made-up words for training prompts; they have no clip.

Copying unknown words is learned from more words than there are clips. In corpora with words that
are spelled within sentences of signs, a made-up word replaces such a word in a sentence that is
composed of two.
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
"""Shares of words made of two halves, and of words that are usual around texts in prompts."""
LONGEST = 8
"""Largest number of letters of a made-up word, unless it is made of two halves."""

Piece = tuple[str, tuple[str, ...] | None]
"""A part of a text and its glosses; None instead of glosses for a spelled word."""


@dataclasses.dataclass(frozen=True)
class MadeUp:
    """The material for made-up words of a language.

    Attributes:
        language: Code of the language.
        words: Spelled words of train.
        sentences: Pieces of sentences of signs; without them, the text is the word alone.
    """

    language: str
    words: Sequence[str]
    sentences: Sequence[tuple[Piece, ...]] = ()

    def draw(self, random: np.random.Generator) -> tuple[str, list[str]] | None:
        """A random text and its glosses; None if the word that was drawn cannot be used.

        A sentence has the beginning of one and the end of another. So not all of them have a
        spelled word, and it cannot be recognized by the signs next to it.
        """
        word = made_up(self.words, self.language, random)
        if word is None or not self.sentences:
            return word
        first, last = (self.sentences[int(random.integers(len(self.sentences)))] for _ in range(2))
        cut, rest = random.integers(1, len(first) + 1), random.integers(len(last) + 1)
        pieces = [*first[:cut], *last[rest:]][: max(len(first), len(last))]
        spelled = word[0], spelled_glosses(word[0], self.language)
        pieces = [spelled if piece[1] is None else piece for piece in pieces]
        return " ".join(text for text, _ in pieces), [g for _, glosses in pieces for g in glosses]


def words_of(source: Source) -> MadeUp:
    """The material from a train split whose texts are spelled words."""
    return MadeUp(source.language, source.texts)


def names_of(source: Source) -> MadeUp:
    """The material from a train split of sentences: the words spelled in them, if there are any.

    Only sentences whose texts have the same order as their glosses are used, such as composed ones.
    """
    pairs = zip(source.texts, source.units, strict=True)
    sentences = [pieces_of(text, glosses, source.language) for text, glosses in pairs]
    words = [word for pieces in sentences for word, signs in pieces if signs is None]
    return MadeUp(source.language, words, list(filter(None, sentences)))


def pieces_of(text: str, glosses: Sequence[str], language: str) -> tuple[Piece, ...]:
    """Splits a sentence into signs: `hello anna`, `HELLO FS:A FS:N FS:N FS:A` -> hello, anna.

    Returns:
        The pieces; none if the text and its glosses do not match.
    """
    spelled, rest = find_spelled(text, glosses, language), list(glosses)
    left, pieces = text.split(), []
    while rest:
        if rest[0].startswith(FINGERSPELLED):
            if not spelled or left[:1] != spelled[:1]:
                return ()
            del rest[: len(spelled_glosses(spelled[0], language))], left[:1]
            pieces.append((spelled.pop(0), None))
            continue
        sign = rest.pop(0)
        words = sign.casefold().split("-")
        if [word.casefold() for word in left[: len(words)]] != words:
            return ()
        pieces.append((" ".join(left[: len(words)]), (sign,)))
        del left[: len(words)]
    return () if left else tuple(pieces)


def made_up(
    texts: Sequence[str], language: str, random: np.random.Generator
) -> tuple[str, list[str]] | None:
    """A random word and its letters.

    The word is made of the first half of a word and the second half of another, or of two to eight
    random letters. Some words are those that are usual around the text in a prompt, so that a model
    has to tell them from the text by their position.

    Returns:
        The word and its letters; None if the language cannot spell it or it is held out.
    """
    kind = random.random()
    if kind < HALVES:
        first, second = (texts[int(i)] for i in random.integers(len(texts), size=2))
        text = first[: (len(first) + 1) // 2] + second[len(second) // 2 :]
    elif kind < HALVES + FRAME:
        around = frame_words(get_language(language).spoken)
        text = fingerspelling.small(around[random.integers(len(around))], language)
        if len(text) > LONGEST:
            return None
    else:
        letters = fingerspelling.letters(language)
        count = random.integers(2, LONGEST + 1)
        chosen = [letters[i] for i in random.integers(len(letters), size=count)]
        text = fingerspelling.small("".join(chosen), language)
    if text in fingerspelling.held_out(language):
        return None
    try:
        return text, fingerspelling.spell(text, language)
    except TextError:
        return None
