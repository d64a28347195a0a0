"""Made-up words to ask for, which have no clip.

To copy a word that was never met is learned from more words than there are clips of. Where words
are spelled within sentences of signs, a made-up word takes the place of one of those.
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


@dataclasses.dataclass(frozen=True)
class SpelledPlace:
    """A text around a word that is spelled, and the glosses around the word's.

    Attributes:
        before, after: words of the text.
        first, last: glosses.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]

    def say(self, word: str, language: str) -> tuple[str, list[str]]:
        """The text and the glosses with a word in this place."""
        spelled = spelled_glosses(word, language)
        return " ".join([*self.before, word, *self.after]), [*self.first, *spelled, *self.last]


@dataclasses.dataclass(frozen=True)
class MadeUp:
    """What words of a language are made up of, and where they are said.

    Attributes:
        language: code.
        words: spelled ones that are trained on.
        places: of the sentences that they are said in; none = the word is all that is said.
    """

    language: str
    words: Sequence[str]
    places: Sequence[SpelledPlace] = ()

    def draw(self, random: np.random.Generator) -> tuple[str, list[str]] | None:
        """A text and its glosses; None where the word that was drawn will not do."""
        made = made_up(self.words, self.language, random)
        if made is None or not self.places:
            return made
        return self.places[random.integers(len(self.places))].say(made[0], self.language)


def words_of(source: Source) -> MadeUp:
    """Of a train split whose texts are words that are spelled."""
    return MadeUp(source.language, source.texts)


def names_of(source: Source) -> MadeUp:
    """Of a train split of sentences, the words that are spelled in them; most corpora have none."""
    words, places = [], []
    for text, glosses in zip(source.texts, source.units, strict=True):
        found = find_spelled(text, glosses, source.language)
        if len(found) != 1:
            continue
        said = text.split()
        at = said.index(found[0])
        spelled = [place for place, gloss in enumerate(glosses) if gloss.startswith(FINGERSPELLED)]
        words.append(found[0])
        places.append(
            SpelledPlace(
                tuple(said[:at]),
                tuple(said[at + 1 :]),
                tuple(glosses[: spelled[0]]),
                tuple(glosses[spelled[-1] + 1 :]),
            )
        )
    return MadeUp(source.language, words, places)


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
        word, other = (texts[i] for i in random.integers(len(texts), size=2))
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
