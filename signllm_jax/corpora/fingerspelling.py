"""The embedded data set: words of four languages, fingerspelled from recorded letters.

A word is its letters (see letters.py) one after the other, joined by a few eased frames, at 25
frames per second. There is one recording of every letter, so a model can learn here how letters
make words, but not how signers differ. Every letter of a word lasts the same: 12 frames, in
words of one to three letters 18, with 4 frames between two letters; words of three to six
letters thus last 62, 60, 76 or 92 frames.
"""

import contextlib
import dataclasses
import functools
import importlib.resources
import re
import unicodedata
from collections.abc import Iterator

from signllm_jax.core.errors import TextError
from signllm_jax.core.languages import get_language
from signllm_jax.corpora import letters as recorded
from signllm_jax.corpora.joining import join_letters
from signllm_jax.corpora.letters import LANGUAGES, LETTER_FRAMES, letters, small
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.prompts import make_prompt

__all__ = [
    "LANGUAGES",
    "SPLITS",
    "Example",
    "corpus",
    "letters",
    "prompt_words",
    "small",
    "spell",
    "spelled_clip",
    "word_units",
    "words",
]

SPLITS = ("train", "dev", "test")
SHORT_WORD = 3
SHORT_WORD_LETTER_FRAMES = 18


@dataclasses.dataclass(frozen=True)
class Example:
    """A fingerspelled word.

    Attributes:
        id: `<language>_<data set>_<word>`, unique in a language.
        language: code of the sign language.
        text: the word, or several, in lower case.
        units: the letters in upper case.
        prompt: a question for the text in the spoken language.
        clip: the signing, openpose50.
        signer: ISO code of the signer's alphabet; empty = the one alphabet of the language.
    """

    id: str
    language: str
    text: str
    units: tuple[str, ...]
    prompt: str
    clip: PoseClip
    signer: str = ""


def words(language: str) -> dict[str, tuple[str, ...]]:
    """The word list of a language: split name -> words; raises TextError as `letters` does."""
    lists = _word_lists(language)
    return {split: lists[split] for split in SPLITS}


def prompt_words(language: str) -> tuple[str, ...]:
    """Words in no split, for the report on prompts alone; errors as in `words`."""
    return _word_lists(language)["prompts"]


@functools.cache
def held_out(language: str) -> frozenset[str]:
    """All words that nothing may be trained on."""
    lists = _word_lists(language)
    return frozenset(word for split, words in lists.items() if split != "train" for word in words)


@functools.cache
def _word_lists(language: str) -> dict[str, tuple[str, ...]]:
    if language not in LANGUAGES:
        letters(language)
    return {split: tuple(" ".join(lines).split()) for split, lines in read_sections(language)}


def read_sections(name: str) -> Iterator[tuple[str, list[str]]]:
    """Yields each `[section]` of a file in `words/` with its lines, without comments.

    Args:
        name: Name of the file without its suffix.
    """
    file = importlib.resources.files("signllm_jax.corpora") / "words" / f"{name}.txt"
    for section in f"\n{file.read_text('utf-8')}".split("\n[")[1:]:
        title, *lines = section.splitlines()
        yield title.rstrip("]"), [line for line in lines if not line.startswith("#")]


def spell(word: str, language: str) -> list[str]:
    """Splits a word into fingerspelling units, the longest first: `Schule` -> SCH U L E in DSGS.

    Args:
        word: one word in any case.
        language: code in `LANGUAGES`.

    Raises:
        TextError: the word is empty, or the language has no such letter (both are named), or no
            alphabet is recorded for the language.
    """
    known = letters(language)
    longest = max(map(len, known))
    rest = recorded.normal_case(word.strip(), language)
    if not rest:
        raise TextError("there is no word to spell")
    units = []
    while rest:
        starts = (rest[:size] for size in range(longest, 0, -1))
        unit = next((start for start in starts if start in known), "")
        if not unit:
            raise TextError(
                f"cannot spell {word!r}: {get_language(language).name} ({language}) has no "
                f"recorded letter {rest[0]!r}"
            )
        units.append(unit)
        rest = rest[len(unit) :]
    return units


def word_units(text: str, language: str) -> dict[tuple[str, ...], str]:
    """The units of every word of a text, in its order, and the word itself.

    A word is a run of letters; where Korean letters are joined to others, as particles are, both
    are words. A letter that is not recorded is taken without its marks (`ï` as I), so that the
    word can be told from the others, though `spell` refuses it; words with other such letters are
    left out. Raises TextError as `letters` does.
    """
    letters(language)
    spelled = {}
    for word in re.findall(r"[가-힣]+|[^\W\d_가-힣]+", unicodedata.normalize("NFC", text)):
        decomposed = unicodedata.normalize("NFD", word)
        plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
        for form in (word, plain):
            with contextlib.suppress(TextError):
                spelled.setdefault(tuple(spell(form, language)), word)
                break
    return spelled


def spelled_clip(text: str, language: str) -> PoseClip:
    """A word, or several, in fingerspelling: openpose50 [T, 50, 3] at 25 frames per second.

    A word of n letters has `T = n * 12 + (n - 1) * 4` frames, and 18 for every letter in texts of
    up to three; between two words there are 12. An arm that does not take part rests with
    confidence 0. Errors: those of `spell`.
    """
    words = [spell(word, language) for word in text.split() or [""]]
    short = sum(map(len, words)) <= SHORT_WORD
    alphabet = recorded.alphabet(language)
    return join_letters(
        [[(unit, alphabet[unit]) for unit in word] for word in words],
        SHORT_WORD_LETTER_FRAMES if short else LETTER_FRAMES,
    )


def corpus(language: str, split: str) -> Iterator[Example]:
    """The examples of a split in the word list's order; the same on every call and machine."""
    for word in words(language)[split]:
        name = f"{language}_fingerspelling_{word}"
        yield make_example(name, language, word, spelled_clip(word, language))


def make_example(name: str, language: str, text: str, clip: PoseClip, signer: str = "") -> Example:
    """An example with the units and the prompt of its text; errors as in `spell`."""
    units = tuple(unit for word in text.split() for unit in spell(word, language))
    return Example(name, language, text, units, make_prompt(text, language, name), clip, signer)
