"""Finds the payload of a prompt, and the sign languages that the rest of the prompt names."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from signllm_jax.core.languages import LANGUAGES
from signllm_jax.text.language_names import abbreviations, find_languages, names
from signllm_jax.text.prompt_templates import NAME, SLOT, SPOKEN, templates

_QUOTES = {
    "'": "'",
    '"': '"',
    "‘": "’",
    "“": "”",
    "„": "“”",
    "‚": "‘’",
    "«": "»",
    "»": "«",
    "‹": "›",
    "「": "」",
    "『": "』",
}
# how a prompt names the language after an unquoted text: `How do you sign hello in ASL?`
_TAILS = {
    "en": ("in {language}",),
    "de": ("in der {language}", "in {language}", "auf {language}"),
    "de-CH": ("in der {language}", "in {language}", "auf {language}"),
    "fr": ("en {language}",),
    "it": ("in {language}", "nella {language}"),
    "es": ("en {language}",),
}
_ENDS = " \u00a0\u202f?.!¿¡…？。！"


class _Form(NamedTuple):
    """A template with the name of a language filled in.

    Attributes:
        before: Text before the payload.
        after: Text after the payload.
        languages: Sign languages that the form names.
        quoted: Whether the payload is within quotation marks.
    """

    before: str
    after: str
    languages: frozenset[str]
    quoted: bool


KNOWN = ("train", "dev")
"""Splits whose templates serve as reading rules; those of test are only used to ask."""


class Reading(NamedTuple):
    """Content of a prompt.

    Attributes:
        payload: Text that the prompt asks about; None if no rule finds it.
        languages: Sign languages that the prompt names outside of the payload.
        quoted: Whether the payload is within quotation marks.
    """

    payload: str | None
    languages: set[str]
    quoted: bool


def read(prompt: str, extra: tuple[str, ...], known: tuple[str, ...] = KNOWN) -> Reading:
    """Reads a prompt by templates and by quotation marks.

    Args:
        prompt: Any text.
        extra: Further templates to read by.
        known: Splits of the package's templates to read by.
    """
    forms = list(_matches(prompt, _forms(extra, known, False, tuple(LANGUAGES))))
    if form := _most_specific(form for form in forms if form.quoted):
        return _to_the_letter(prompt, form)
    if span := _quoted_span(prompt):
        start, end = span
        payload = prompt[start + 1 : end].strip("\u00a0\u202f ")
        return Reading(payload, find_languages(f"{prompt[:start]} , {prompt[end + 1 :]}"), True)
    exact = _most_specific(forms)
    plain = _fold(prompt).strip(_ENDS)
    small = lower(plain)
    loose = _most_specific(_matches(small, _forms(extra, known, True, tuple(LANGUAGES))))
    # a short template may match exactly where a longer one matches more of the prompt
    if exact and (not loose or _size(exact) >= _size(loose)):
        return _to_the_letter(prompt, exact)
    if loose:
        payload = plain[len(loose.before) : len(plain) - len(loose.after)].strip()
        return Reading(payload, set(loose.languages), False)
    return Reading(None, find_languages(prompt), False)


def _to_the_letter(prompt: str, form: _Form) -> Reading:
    payload = prompt[len(form.before) : len(prompt) - len(form.after)]
    return Reading(payload, set(form.languages), form.quoted)


def _matches(prompt: str, forms: dict[str, list[_Form]]) -> Iterator[_Form]:
    for first in {prompt[:1], ""}:
        for form in forms.get(first, ()):
            if (
                len(prompt) >= len(form.before) + len(form.after)
                and prompt.startswith(form.before)
                and prompt.endswith(form.after)
            ):
                yield form


def _most_specific(forms: Iterable[_Form]) -> _Form | None:
    return max(forms, key=_size, default=None)


def _size(form: _Form) -> int:
    """Number of characters around the payload, without punctuation at the prompt's ends."""
    return len(form.before.lstrip(_ENDS)) + len(form.after.rstrip(_ENDS))


@functools.lru_cache(maxsize=64)
def _forms(
    extra: tuple[str, ...], known: tuple[str, ...], loose: bool, codes: tuple[str, ...]
) -> dict[str, list[_Form]]:
    """All forms of the templates of `known` and of `extra`, by their first letter.

    The `loose` forms are unquoted and have every name of a language, in lower case and without
    punctuation at either end. `codes` are the languages of the registry.
    """
    forms = {}
    for spoken in SPOKEN:
        for line in (*(t for split in known for t in templates(spoken, split)), *extra):
            before, _, after = line.partition(SLOT)
            closings = _QUOTES.get(before.rstrip("\u00a0")[-1:], "")
            quoted = bool(closings) and after.lstrip("\u00a0").startswith(tuple(closings))
            if loose and quoted:
                continue
            endings = [after]
            if not (quoted or NAME in line or after.strip(_ENDS)):
                endings += [f" {tail}{after}" for tail in _TAILS.get(spoken, ())]
            for ending in endings:
                for form in _filled(before, ending, quoted, spoken, loose, codes):
                    forms[form.before, form.after] = form
    by_first: dict[str, list[_Form]] = {}
    for form in forms.values():
        if form.before or form.after:
            by_first.setdefault(form.before[:1], []).append(form)
    return by_first


def _filled(
    before: str, after: str, quoted: bool, spoken: str, loose: bool, codes: tuple[str, ...]
) -> Iterator[_Form]:
    """The forms of one template: one per name of a language if it has a slot for a name."""
    line = f"{before} {after}"
    fillings = [("", frozenset(find_languages(line)))]
    if NAME in line:
        fillings = [
            (name, frozenset({code}))
            for code in codes
            for listed in (names(code, spoken), abbreviations(code))
            for name in (listed if loose else listed[:1])
        ]
    for name, languages in fillings:
        start, end = before.replace(NAME, name), after.replace(NAME, name)
        if loose:
            start, end = lower(_fold(start)).lstrip(_ENDS), lower(_fold(end)).rstrip(_ENDS)
        yield _Form(start, end, languages, quoted)


def _fold(text: str) -> str:
    """NFC, with a single space for every run of white space."""
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", text))


def lower(text: str) -> str:
    """Lower case with the same number of characters."""
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)


def _quoted_span(prompt: str) -> tuple[int, int] | None:
    """Positions of the quotation marks of the first and outermost quotation, if there is one."""
    spans = []
    for opening, closings in _QUOTES.items():
        apostrophe = opening in "'‘"
        starts = (i for i, letter in enumerate(prompt) if letter == opening)
        start = next((i for i in starts if not (apostrophe and prompt[i - 1 : i].isalnum())), None)
        if start is None:
            continue
        ends = [i for i in range(start + 1, len(prompt)) if prompt[i] in closings]
        # an apostrophe within a word closes nothing, unless nothing else does
        final = [i for i in ends if not (apostrophe and "A" <= prompt[i + 1 : i + 2] <= "ɏ")]
        if ends:
            spans.append((start, final[-1] if final else ends[0]))
    return min(spans, default=None)
