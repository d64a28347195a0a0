"""Words that are fingerspelled within sentences of signs, as names are."""

import itertools
from collections.abc import Collection, Sequence

from signllm_jax.core.errors import TextError
from signllm_jax.corpora import fingerspelling
from signllm_jax.corpora.grammar import FINGERSPELLED_WORD
from signllm_jax.corpora.lexicon import Take
from signllm_jax.poses.clean import at_rate
from signllm_jax.text.langgloss import FINGERSPELLED


def spelled_words(language: str, split: str, signs: Collection[str]) -> list[str]:
    """The words of a split of the data set `fingerspelling` that are in no sign's name.

    Raises:
        TextError: No alphabet is recorded for the language.
    """
    signed = {word for sign in signs for word in sign.split()}
    return [word for word in fingerspelling.words(language)[split] if word not in signed]


def spelled_glosses(word: str, language: str) -> list[str]:
    """`anna`, `asl` -> `FS:A FS:N FS:N FS:A`; raises TextError as `fingerspelling.spell` does."""
    return [FINGERSPELLED + unit for unit in fingerspelling.spell(word, language)]


def spelled_take(word: str, language: str, fps: float) -> Take:
    """A word as a take of a sentence: its text, its letters' glosses, and its clip at `fps`."""
    clip = at_rate(fingerspelling.spelled_clip(word, language), fps)
    gloss = " ".join(spelled_glosses(word, language))
    return Take(f"{FINGERSPELLED_WORD} {word}", word, gloss, "", "", clip)


def find_spelled(text: str, glosses: Sequence[str], language: str) -> list[str]:
    """The words of a text that its glosses spell, in order: of `hello anna`, `anna`.

    Args:
        text: text of an example.
        glosses: its glosses, `HELLO FS:A FS:N FS:N FS:A`.
        language: code of the sign language.
    """
    by_kind = itertools.groupby(glosses, lambda gloss: gloss.startswith(FINGERSPELLED))
    runs = [list(run) for spelled, run in by_kind if spelled]
    return [word for word in text.split() if runs and _spelled_or_none(word, language) in runs]


def _spelled_or_none(word: str, language: str) -> list[str] | None:
    try:
        return spelled_glosses(word, language)
    except TextError:
        return None
