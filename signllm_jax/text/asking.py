"""Prompts to train on, drawn at random: more ways of asking than there are templates.

Some are templates as they are. In others the beginning is one template's and the end another's of
the same spoken language, and some words around the text are other ones, half of which there is no
such word. Most are filled from patterns: a question, a wish or an order, perhaps with a sentence
before or after it. Quotation marks are any pair, or there are none: then nothing but the words
around it shows where the text is, so those must be of many kinds, in any place, and some unknown.
So a model learns what quotation marks and the words next to a text say, and neither the templates
nor that an unknown word is the text.
"""

import functools
import re

import numpy as np

from signllm_jax.core.languages import get_language
from signllm_jax.text.language_names import abbreviations, names
from signllm_jax.text.prompt_templates import (
    FULL,
    NAME,
    SHORT,
    SLOT,
    SPOKEN,
    common_words,
    pattern_sections,
    patterns,
    templates,
)

QUOTES = (
    *("''", '""', "“”", "‘’", "„“", "«»", "‚‘", "「」", "»«", "‹›", "『』", "„”"),
    *(("« ", " »"), ("«\u00a0", "\u00a0»")),
)
OWN = 0.3
"""Share of prompts that are in the sign language's own spoken language in any case."""
AS_IS, MIXED = 0.12, 0.2
"""Shares of templates as they are and of mixed ones; the rest are filled patterns."""
QUOTED, BARE = 0.35, 0.2
"""Share of the filled patterns with quotation marks, and of those without any punctuation."""
BESIDE = 0.15
"""Share of the places right before and after an unquoted text where a common word is put in."""
VARIED, MORE = 0.6, 0.06
"""Share of the mixed templates and patterns whose words are varied, and of places in these where a
word is put in."""
OTHER = (0.05, 0.15, 0.4)
"""Shares of a varied piece's words that become another one, one of them for each piece."""


@functools.cache
def _parts(spoken: str) -> tuple[tuple[str, str, bool], ...]:
    """(before, after, quoted) of every train template, quotation marks taken off."""
    found = []
    for line in templates(spoken, "train"):
        before, _, after = line.partition(SLOT)
        bare = before.rstrip("\u00a0")
        quoted = bool(bare) and bare[-1] in "'\"“‘„«‚「"
        if quoted:
            before, after = bare[:-1], after.lstrip("\u00a0")[1:]
        found.append((before, after, quoted))
    return tuple(found)


@functools.cache
def frame_words(spoken: str) -> tuple[str, ...]:
    """The words of the train templates and the patterns, and the common ones."""
    sections = pattern_sections(spoken).values()
    text = " ".join((*templates(spoken, "train"), *(line for lines in sections for line in lines)))
    text = re.sub(r"<\w+>|\{\w*\}", " ", text)
    found = {word for word in re.findall(r"\w+", text) if len(word) > 1}
    return tuple(sorted(found.union(common_words(spoken))))


def ask(text: str, language: str, random: np.random.Generator) -> tuple[str, str | None]:
    """A prompt for a text, and the sign language that the caller names beside it.

    The caller names it where the prompt does not, and now and then where it does.

    Args:
        text: what is to be signed, taken over as it is.
        language: code of the sign language.
        random: where all choices come from.
    """
    own = get_language(language).spoken
    spoken = own if random.random() < OWN else SPOKEN[random.integers(len(SPOKEN))]
    before, after = frame(spoken, random)
    full, short = _one(names(language, spoken), random), _one(abbreviations(language), random)
    called = {NAME: _one((full, short), random), FULL: full, SHORT: short}
    named = any(place in before + after for place in called)
    for place, name in called.items():
        before, after = before.replace(place, name), after.replace(place, name)
    return f"{before}{text}{after}", None if named and random.random() < 0.7 else language


def frame(spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """What stands before and after a text; never a template that is held out.

    Args:
        spoken: one of `SPOKEN`.
        random: where all choices come from.
    """
    while True:
        kind = random.random()
        if kind < AS_IS:
            before, _, after = _one(templates(spoken, "train"), random).partition(SLOT)
        elif kind < AS_IS + MIXED:
            before, after = _mixed(spoken, random)
        else:
            before, after = _filled(spoken, random)
        if not is_held_out(before + SLOT + after, spoken):
            return before, after


def is_held_out(line: str, spoken: str) -> bool:
    """Whether a line is a template of dev or test but for case and marks, or has one in it that
    has words on both sides of the text."""
    plain, (whole, inner) = _plain(line), _held(spoken)
    return plain in whole or any(template in plain for template in inner)


@functools.cache
def _held(spoken: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The templates of dev and test, and those that have words on both sides of the text."""
    found = [_plain(line) for split in ("dev", "test") for line in templates(spoken, split)]
    inner = [line for line in found if not line.startswith(" {}") and not line.endswith("{} ")]
    return frozenset(found), tuple(inner)


def _plain(line: str) -> str:
    """The words of a line alone, in small letters, every one between spaces."""
    words = re.findall(r"\w+|\{\}|\{\w+\}", line.lower())
    return f" {' '.join(NAME if word in (FULL, SHORT) else word for word in words)} "


def _one(choices, random: np.random.Generator):
    """One of some choices, all as likely."""
    return choices[random.integers(len(choices))]


def _mixed(spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """What stands before and after a text: a beginning and an end, some of their words varied."""
    quoted = random.random() < 0.5
    parts = [part[:2] for part in _parts(spoken) if part[2] == quoted]
    (before, _), (_, after) = (_one(parts, random) for _ in range(2))
    if random.random() < VARIED:
        # without quotation marks the word before the text must stay: it alone may show the text
        kept = before if quoted else before.rpartition(" ")[0].rpartition(" ")[0]
        before = _varied(kept, spoken, random) + before[len(kept) :]
        after = _varied(after, spoken, random)
    if quoted:
        return _quoted(before, after, random)
    return _beside(before, after, spoken, random)


def _filled(spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """What stands before and after a text: a pattern, a choice made in each place of it."""
    line = fill(_one(patterns(spoken), random), spoken, random)
    if random.random() < BARE:
        line = re.sub(r"[.,;:!?…]+(?=\s|$)|\s[-–=](?=\s)|[¿¡]", "", line).strip()
    before, _, after = line.partition(SLOT)
    varied = random.random() < VARIED
    if varied:
        # the words beside the text stay
        kept, rest = before.rstrip().rpartition(" ")[0], after.lstrip().partition(" ")[2]
        before = _varied(kept, spoken, random) + before[len(kept) :]
        after = after[: len(after) - len(rest)] + _varied(rest, spoken, random)
    if random.random() < QUOTED:
        return _quoted(before, after, random)
    return _beside(before, after, spoken, random) if varied else (before, after)


def fill(pattern: str, spoken: str, random: np.random.Generator) -> str:
    """A pattern with one of the alternatives in each place; sections may stand in one another."""
    sections = pattern_sections(spoken)
    while place := re.search(r"<(\w+)>|\(([^()]*)\)", pattern):
        chosen = _one(sections[place[1]] if place[1] else place[2].split("|"), random)
        pattern = pattern[: place.start()] + chosen + pattern[place.end() :]
    return re.sub(r"\s+", " ", pattern).strip()


def _quoted(before: str, after: str, random: np.random.Generator) -> tuple[str, str]:
    """What stands around a text, with a pair of quotation marks."""
    left, right = _one(QUOTES, random)
    return before + left, right + after


def _beside(before: str, after: str, spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """Now and then a common word of the language right before or after an unquoted text."""
    words = common_words(spoken)
    if before.rstrip()[-1:] in (":", ""):
        return before, after
    if random.random() < BESIDE:
        before += f"{_one(words, random)} "
    if random.random() < BESIDE:
        after = f" {_one(words, random)}{after}"
    return before, after


def _varied(piece: str, spoken: str, random: np.random.Generator) -> str:
    """A piece with some words that are other ones, and some more."""
    out, share = [], _one(OTHER, random)
    for word in piece.split(" "):
        out.append(_other(spoken, random) if word.isalpha() and random.random() < share else word)
        if word[-1:] not in ("", ".", "?", "!") and random.random() < MORE:
            out.append(_other(spoken, random))
    return " ".join(out)


def _other(spoken: str, random: np.random.Generator) -> str:
    """A word of those that stand around texts, or halves of two."""
    first, second = (_one(frame_words(spoken), random) for _ in range(2))
    if random.random() < 0.5:
        return first
    return first[: (len(first) + 1) // 2] + second[len(second) // 2 :]
