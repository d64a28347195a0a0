"""Names of sign languages in the spoken languages, and which of them a sentence contains.

The names are listed in the files in `templates/`. French and Italian Sign Language mean their Swiss
variants here, which are those of the registry. Languages without a registry entry (`British Sign
Language`) are recognized too, so that a request for one is refused instead of answered in another
language.
"""

import difflib
import functools
import re
import unicodedata

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import ABBREVIATIONS, FILE, LANGUAGES, find_code, name_key
from signllm_jax.text.prompt_templates import SPOKEN, name_lines

_UPPER_ONLY = {"LIS", "TİD", "TID"}  # in small letters words: French lis, Danish tid
_OTHER_ABBREVIATIONS = {
    "British Sign Language": ("BSL",),
    "Austrian Sign Language": ("ÖGS",),
    "Japanese Sign Language": ("JSL",),
    "Spanish Sign Language": ("LSE",),
    "Brazilian Sign Language": ("Libras", "LIBRAS"),
    "Australian Sign Language": ("Auslan",),
    "Quebec Sign Language": ("LSQ",),
    "Sign Language of the Netherlands": ("NGT",),
}


@functools.cache
def _listed(spoken: str) -> dict[str, tuple[str, ...]]:
    """Sign language -> its names in a spoken language: a code, or an English name without entry."""
    lines = name_lines("de" if spoken == "de-CH" else spoken) if spoken in SPOKEN else ()
    patterns = [line for line in lines if "{}" in line]
    entries = (line.split(" = ") for line in lines if " = " in line)
    return {
        language: tuple(pattern.format(word) for pattern in patterns for word in words.split(", "))
        for language, words in entries
    }


def names(code: str, spoken: str) -> tuple[str, ...]:
    """Names of the sign language `code` in the language `spoken`, the usual name first.

    A language of the registry without a name in `spoken` goes by its English name.
    """
    listed, english = _listed(spoken), LANGUAGES[code].name
    official = ("한국수어",) if (code, spoken) == ("ksl", "ko") else ()  # one word
    return (*official, *(listed.get(code) or listed.get(english) or (english,)))


def abbreviations(code: str) -> tuple[str, ...]:
    """The abbreviations of the sign language `code`, the usual one first."""
    return ABBREVIATIONS.get(code) or (code.upper(),)


def find_languages(text: str) -> set[str]:
    """Sign languages that a text names: codes, or English names of those without an entry."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return {language for _, _, language in mentions(text)}


def mentions(text: str) -> list[tuple[int, int, str]]:
    """Start, end and language of each name in a text (NFC, single spaces); see `find_languages`."""
    pattern, meaning = _finder(tuple(LANGUAGES))
    return [(*match.span(), meaning[name_key(match[0])]) for match in pattern.finditer(text)]


@functools.cache
def _finder(codes: tuple[str, ...]) -> tuple[re.Pattern, dict[str, str]]:
    """A pattern that matches any name, longer names first, and `name_key(name)` -> language."""
    registered = {LANGUAGES[code].name for code in codes}
    full: dict[str, str] = {}
    short: dict[str, str] = {}
    for spoken in SPOKEN:
        for language, listed in _listed(spoken).items():
            if language not in registered:
                full |= dict.fromkeys(listed, language)
        for code in codes:
            full |= dict.fromkeys(names(code, spoken), code)
    for code in codes:
        for name in (*abbreviations(code), code.upper()):
            short |= {name: code} if name in _UPPER_ONLY else {name: code, name.lower(): code}
    for language, listed in _OTHER_ABBREVIATIONS.items():
        if language not in registered:
            short |= dict.fromkeys(listed, language)
    names_or, short_or = (
        "|".join(map(re.escape, sorted(listed, key=len, reverse=True))) for listed in (full, short)
    )
    latin = "[0-9A-Za-zÀ-ɏ_]"  # may not touch an abbreviation; Korean particles may
    pattern = rf"(?<!\w)(?i:{names_or})|(?<!{latin})(?:{short_or})(?!{latin})"
    return re.compile(pattern), {name_key(name): code for name, code in (full | short).items()}


def code_of(name: str) -> str:
    """The code of the sign language that a name, code, ISO code or abbreviation means, else ''.

    Names in all spoken languages are known, in upper or lower case; English names are known
    without "Sign Language", too.
    """
    if code := find_code(name):
        return code
    _, meaning = _finder(tuple(LANGUAGES))
    code = meaning.get(name_key(name)) or meaning.get(name_key(f"{name} Sign Language"), "")
    return code if code in LANGUAGES else ""


def known_code(name: object) -> str:
    """As `code_of`; raises ConfigError with the most similar name if there is no such language."""
    if not isinstance(name, str):
        raise ConfigError(f"a language is named by a text such as 'asl', not {name!r:.60}")
    if code := code_of(name):
        return code
    key, entries = name_key(name), {name_key(e.name): e for e in LANGUAGES.values()}
    entries |= {name_key(n): e for c, e in LANGUAGES.items() for n in (c, *abbreviations(c))}
    similar = [known for known in entries if key and known.startswith(f"{key} ")]
    similar = similar or difflib.get_close_matches(key, entries, 1)
    hint = ""
    if similar:
        entry = entries[similar[0]]
        hint = f"; did you mean {entry.code} ({entry.name})?"
    raise ConfigError(
        f"unknown language {name!r:.60}: known are {', '.join(LANGUAGES)}; others by ${FILE}{hint}"
    )
