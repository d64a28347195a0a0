"""Prompts to train on, drawn at random: more ways of asking than there are templates.

Half of them are templates as they are; of the others the beginning is one template's and the end
another's of the same spoken language, and the quotation marks are any pair, so that a model learns
what quotation marks and the words around a text say, and not the templates.
"""

import functools

import numpy as np

from signllm_jax.languages import get_language
from signllm_jax.text.language_names import abbreviations, names
from signllm_jax.text.prompt_templates import NAME, SLOT, SPOKEN, templates

QUOTES = ("''", '""', "“”", "‘’", "„“", "«»", "‚‘", "「」")


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
    if random.random() < 0.5:
        chosen = templates(spoken, "train")
        before, _, after = chosen[random.integers(len(chosen))].partition(SLOT)
    else:
        parts = _parts(spoken)
        before, _, quoted = parts[random.integers(len(parts))]
        ends = [after for _, after, also in parts if also == quoted]
        after = ends[random.integers(len(ends))]
        if quoted:
            left, right = QUOTES[random.integers(len(QUOTES))]
            before, after = before + left, right + after
    kinds = (names(language, spoken), abbreviations(language))
    called = kinds[random.integers(2)]
    name = called[random.integers(len(called))]
    named = NAME in before + after
    prompt = f"{before.replace(NAME, name)}{text}{after.replace(NAME, name)}"
    return prompt, None if named and random.random() < 0.7 else language
