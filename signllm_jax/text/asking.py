"""Random prompts for training: more ways of asking than there are templates.

Some prompts are templates. Others combine the beginning of one template with the end of another
one of the same spoken language, with some words around the text replaced; half of the replacements
are made-up words. Most prompts are filled patterns: a question, a wish or an order, sometimes with
a sentence before or after it. The quotation marks are any pair, or there are none. Without them
only the surrounding words show where the text is, so these words vary in kind and position, and
some are unknown. So a model learns what quotation marks and the words next to a text mean, instead
of the templates, or that an unknown word is the text.
"""

import functools
import itertools
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
"""Share of prompts that are always in the spoken language of the sign language's texts."""
AS_IS, MIXED = 0.12, 0.2
"""Shares of unchanged templates and of mixed templates; the rest are filled patterns."""
QUOTED, BARE = 0.35, 0.2
"""Share of the filled patterns with quotation marks, and of those without punctuation."""
BESIDE = 0.15
"""Probability that a common word is inserted right before (or after) an unquoted text."""
VARIED, MORE = 0.6, 0.06
"""Share of mixed templates and patterns whose words are varied, and the probability that a word is
inserted after one of theirs."""
OTHER = (0.05, 0.15, 0.4)
"""Shares of replaced words; one of these is drawn for each varied piece."""


@functools.cache
def _parts(spoken: str) -> tuple[tuple[str, str, bool], ...]:
    """(before, after, quoted) of every train template, quotation marks taken off."""
    parts = []
    for line in templates(spoken, "train"):
        before, _, after = line.partition(SLOT)
        bare = before.rstrip("\u00a0")
        quoted = bool(bare) and bare[-1] in "'\"“‘„«‚「"
        if quoted:
            before, after = bare[:-1], after.lstrip("\u00a0")[1:]
        parts.append((before, after, quoted))
    return tuple(parts)


@functools.cache
def frame_words(spoken: str) -> tuple[str, ...]:
    """The words of the train templates and the patterns, and the common ones."""
    sections = (templates(spoken, "train"), *pattern_sections(spoken).values())
    text = re.sub(r"<\w+>|\{\w*\}", " ", " ".join(itertools.chain(*sections)))
    words = {word for word in re.findall(r"\w+", text) if len(word) > 1}
    return tuple(sorted(words.union(common_words(spoken))))


def ask(text: str, language: str, random: np.random.Generator) -> tuple[str, str | None]:
    """A prompt for a text, and the language code that the caller gives with the prompt.

    The caller always gives the code if the prompt does not name the language, and sometimes if it
    does.

    Args:
        text: Text to be signed, inserted unchanged.
        language: Code of the sign language.
        random: Source of all choices.
    """
    texts_in = get_language(language).spoken
    spoken = texts_in if random.random() < OWN else _choice(SPOKEN, random)
    before, after = frame(spoken, random)
    full, short = _choice(names(language, spoken), random), _choice(abbreviations(language), random)
    fillings = {NAME: _choice((full, short), random), FULL: full, SHORT: short}
    named = any(slot in before + after for slot in fillings)
    for slot, name in fillings.items():
        before, after = before.replace(slot, name), after.replace(slot, name)
    return f"{before}{text}{after}", None if named and random.random() < 0.7 else language


def frame(spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """The parts of a prompt before and after the text; never those of a held-out template.

    Args:
        spoken: One of `SPOKEN`.
        random: Source of all choices.
    """
    while True:
        kind = random.random()
        if kind < AS_IS:
            before, _, after = _choice(templates(spoken, "train"), random).partition(SLOT)
        elif kind < AS_IS + MIXED:
            before, after = _mixed(spoken, random)
        else:
            before, after = _filled(spoken, random)
        if not is_held_out(before + SLOT + after, spoken):
            return before, after


def is_held_out(line: str, spoken: str) -> bool:
    """Whether a line equals a template of dev or test, ignoring case and punctuation, or contains
    one that has words on both sides of the text."""
    plain, (whole, inner) = _plain(line), _held(spoken)
    return plain in whole or any(template in plain for template in inner)


@functools.cache
def _held(spoken: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The templates of dev and test, and those that have words on both sides of the text."""
    lines = [_plain(line) for split in ("dev", "test") for line in templates(spoken, split)]
    inner = [line for line in lines if not line.startswith(" {}") and not line.endswith("{} ")]
    return frozenset(lines), tuple(inner)


def _plain(line: str) -> str:
    """The words of a line in lower case, each between spaces."""
    words = re.findall(r"\w+|\{\}|\{\w+\}", line.lower())
    return f" {' '.join(NAME if word in (FULL, SHORT) else word for word in words)} "


def _choice(choices, random: np.random.Generator):
    """One of several equally likely choices."""
    return choices[random.integers(len(choices))]


def _mixed(spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """The parts before and after a text, from two templates, with some of their words varied."""
    quoted = random.random() < 0.5
    parts = [part[:2] for part in _parts(spoken) if part[2] == quoted]
    (before, _), (_, after) = (_choice(parts, random) for _ in range(2))
    if random.random() < VARIED:
        # without quotation marks the word before the text must stay: it alone may show the text
        kept = before if quoted else before.rpartition(" ")[0].rpartition(" ")[0]
        before = _varied(kept, spoken, random) + before[len(kept) :]
        after = _varied(after, spoken, random)
    if quoted:
        return _quoted(before, after, random)
    return _beside(before, after, spoken, random)


def _filled(spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """The parts before and after a text, from a pattern with all its alternatives chosen."""
    line = fill(_choice(patterns(spoken), random), spoken, random)
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
    """A pattern with one of its alternatives chosen at each place; sections may be nested."""
    sections = pattern_sections(spoken)
    while slot := re.search(r"<(\w+)>|\(([^()]*)\)", pattern):
        chosen = _choice(sections[slot[1]] if slot[1] else slot[2].split("|"), random)
        pattern = pattern[: slot.start()] + chosen + pattern[slot.end() :]
    return re.sub(r"\s+", " ", pattern).strip()


def _quoted(before: str, after: str, random: np.random.Generator) -> tuple[str, str]:
    """The parts around a text, with a pair of quotation marks."""
    left, right = _choice(QUOTES, random)
    return before + left, right + after


def _beside(before: str, after: str, spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """The parts around an unquoted text, sometimes with a common word right beside the text."""
    words = common_words(spoken)
    if before.rstrip()[-1:] in (":", ""):
        return before, after
    if random.random() < BESIDE:
        before += f"{_choice(words, random)} "
    if random.random() < BESIDE:
        after = f" {_choice(words, random)}{after}"
    return before, after


def _varied(piece: str, spoken: str, random: np.random.Generator) -> str:
    """A piece with some words replaced and some inserted."""
    words, share = [], _choice(OTHER, random)
    for word in piece.split(" "):
        replaced = word.isalpha() and random.random() < share
        words.append(_frame_word(spoken, random) if replaced else word)
        if word[-1:] not in ("", ".", "?", "!") and random.random() < MORE:
            words.append(_frame_word(spoken, random))
    return " ".join(words)


def _frame_word(spoken: str, random: np.random.Generator) -> str:
    """A word that stands around texts, or the halves of two such words."""
    first, second = (_choice(frame_words(spoken), random) for _ in range(2))
    if random.random() < 0.5:
        return first
    return first[: (len(first) + 1) // 2] + second[len(second) // 2 :]
