"""Prompts to train on, drawn at random: more ways of asking than there are templates.

Some are templates as they are. In others the beginning is one template's and the end another's of
the same spoken language, the quotation marks are any pair, and some words around the text are other
ones, half of which there is no such word. The rest are filled from patterns: nothing but the words
around it shows where an unquoted text is, so those beside it must be of many kinds. So a model
learns what quotation marks and the words next to a text say, and neither the templates nor that an
unknown word is the text.
"""

import functools
import re

import numpy as np

from signllm_jax.languages import get_language
from signllm_jax.text.language_names import abbreviations, names
from signllm_jax.text.prompt_templates import (
    NAME,
    SLOT,
    SPOKEN,
    common_words,
    patterns,
    templates,
)

QUOTES = ("''", '""', "“”", "‘’", "„“", "«»", "‚‘", "「」")
AS_IS, MIXED = 0.3, 0.35
"""Shares of templates as they are and of mixed ones; the rest are filled patterns."""
BESIDE = 0.25
"""Share of the places right before and after an unquoted text where a common word is put in."""
VARIED, OTHER, MORE = 0.6, 0.15, 0.08
"""Share of the mixed templates whose words are varied, of their words that become another one, and
of places where one is put in."""


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
def _words(spoken: str) -> tuple[str, ...]:
    """The words of the train templates."""
    text = " ".join(templates(spoken, "train")).replace(NAME, "")
    return tuple(sorted({word for word in re.findall(r"\w+", text) if len(word) > 1}))


def ask(text: str, language: str, random: np.random.Generator) -> tuple[str, str | None]:
    """A prompt for a text, and the sign language that the caller names beside it.

    The caller names it where the prompt does not, and now and then where it does.

    Args:
        text: what is to be signed, taken over as it is.
        language: code of the sign language.
        random: where all choices come from.
    """
    own = get_language(language).spoken
    spoken = own if random.random() < 0.5 else SPOKEN[random.integers(len(SPOKEN))]
    kind = random.random()
    if kind < AS_IS:
        chosen = templates(spoken, "train")
        before, _, after = chosen[random.integers(len(chosen))].partition(SLOT)
    elif kind < AS_IS + MIXED:
        before, after = _mixed(spoken, random)
    else:
        before, after = _filled(spoken, random)
    kinds = (names(language, spoken), abbreviations(language))
    called = kinds[random.integers(2)]
    name = called[random.integers(len(called))]
    named = NAME in before + after
    prompt = f"{before.replace(NAME, name)}{text}{after.replace(NAME, name)}"
    return prompt, None if named and random.random() < 0.7 else language


def _mixed(spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """What stands before and after a text: a beginning and an end, some of their words varied."""
    quoted = random.random() < 0.5
    parts = [part[:2] for part in _parts(spoken) if part[2] == quoted]
    (before, _), (_, after) = (parts[i] for i in random.integers(len(parts), size=2))
    if random.random() < VARIED:
        # without quotation marks the word before the text must stay: it alone may show the text
        kept = before if quoted else before.rpartition(" ")[0].rpartition(" ")[0]
        before = _varied(kept, spoken, random) + before[len(kept) :]
        after = _varied(after, spoken, random)
    if quoted:
        left, right = QUOTES[random.integers(len(QUOTES))]
        before, after = before + left, right + after
    else:
        before, after = _beside(before, after, spoken, random)
    return before, after


def _filled(spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """What stands before and after a text: a pattern, one alternative chosen in each place."""
    chosen = patterns(spoken)[random.integers(len(patterns(spoken)))]

    def one(place: re.Match) -> str:
        alternatives = place[1].split("|")
        return alternatives[random.integers(len(alternatives))]

    before, _, after = re.sub(r"\(([^()]*)\)", one, chosen).partition(SLOT)
    if random.random() < VARIED:
        before, after = _beside(before, after, spoken, random)
    return before, after


def _beside(before: str, after: str, spoken: str, random: np.random.Generator) -> tuple[str, str]:
    """Now and then a common word of the language right before or after an unquoted text."""
    words = common_words(spoken)
    if not words or before.rstrip()[-1:] in (":", ""):
        return before, after
    if random.random() < BESIDE:
        before += f"{words[random.integers(len(words))]} "
    if random.random() < BESIDE:
        after = f" {words[random.integers(len(words))]}{after}"
    return before, after


def _varied(piece: str, spoken: str, random: np.random.Generator) -> str:
    """A piece with some words that are other ones, and some more."""
    out = []
    for word in piece.split(" "):
        out.append(_other(spoken, random) if word.isalpha() and random.random() < OTHER else word)
        if word[-1:] not in (".", "?", "!") and random.random() < MORE:
            out.append(_other(spoken, random))
    return " ".join(out)


def _other(spoken: str, random: np.random.Generator) -> str:
    """A word of the templates, or halves of two."""
    words = _words(spoken)
    first, second = (words[i] for i in random.integers(len(words), size=2))
    if random.random() < 0.5:
        return first
    return first[: (len(first) + 1) // 2] + second[len(second) // 2 :]
