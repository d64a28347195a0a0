"""Registry of sign languages: the eight of Prompt2Sign, and any other by one more entry.

More entries are read from the JSON file that `$SIGNLLM_LANGUAGES` names, a list such as
`[{"code": "lse", "name": "Spanish Sign Language", "iso": "ssp", "spoken": "es"}]`. A trained group
has the entry of its language, so that it can be used without such a file.
"""

import dataclasses
import json
import os
import re
import unicodedata
import zlib
from pathlib import Path

from signllm_jax.core.errors import ConfigError, reason

FILE = "SIGNLLM_LANGUAGES"


def stable_hash(name: str) -> int:
    """A 31-bit number that depends on the name alone, to fold into random keys."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


@dataclasses.dataclass(frozen=True)
class Language:
    """One sign language.

    Attributes:
        code: name used in configs, data sets and reports, for example `asl`.
        name: English name, for example `American Sign Language`.
        iso: ISO 639-3 code, for example `ase`.
        spoken: BCP 47 code of the spoken language of its texts.
    """

    code: str
    name: str
    iso: str
    spoken: str

    @property
    def stable_hash(self) -> int:
        """A 31-bit number that depends on the code alone, to fold into random keys."""
        return stable_hash(self.code)


LANGUAGES: dict[str, Language] = {
    language.code: language
    for language in (
        Language("asl", "American Sign Language", "ase", "en"),
        Language("gsl", "German Sign Language", "gsg", "de"),
        Language("dsgs", "Swiss German Sign Language", "sgg", "de-CH"),
        Language("lsf_ch", "Swiss French Sign Language", "ssr", "fr"),
        Language("lis_ch", "Swiss Italian Sign Language", "slf", "it"),
        Language("lsa", "Argentine Sign Language", "aed", "es"),
        Language("ksl", "Korean Sign Language", "kvk", "ko"),
        Language("tsl", "Turkish Sign Language", "tsm", "tr"),
    )
}


ABBREVIATIONS = {
    "asl": ("ASL",),
    "gsl": ("DGS", "GSL"),
    "dsgs": ("DSGS",),
    "lsf_ch": ("LSF-CH", "LSF CH", "LSF-SR", "LSF"),
    "lis_ch": ("LIS-CH", "LIS CH", "LIS-SI", "LIS"),
    "lsa": ("LSA",),
    "ksl": ("KSL",),
    "tsl": ("TİD", "TSL", "TID"),
}
"""code -> abbreviations in use, the usual one first."""


def name_key(name: str) -> str:
    """A name in the form for comparisons: capitals, without the dot of an i."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    return name.upper().replace("İ", "I").replace("ı", "I")


def find_code(name: object) -> str:
    """The code that a code, an ISO code, an English name or an abbreviation means, else ''."""

    def plain(name: str) -> str:
        return name_key(name.replace("_", " ").replace("-", " "))

    key = plain(name) if isinstance(name, str) else ""
    for code, language in LANGUAGES.items():
        known = (code, language.iso, language.name, *ABBREVIATIONS.get(code, ()))
        if key in map(plain, known):
            return code
    return ""


def check_code(code: object) -> str:
    """The code itself, which may name a folder; raises ConfigError when it is malformed."""
    if not isinstance(code, str) or not re.fullmatch(r"[a-z][a-z0-9_]{1,15}", code):
        raise ConfigError(
            f"language {code!r:.60}: a code is 2 to 16 of a-z, 0-9 and _, a letter first"
        )
    return code


def add_language(language: Language) -> None:
    """Adds an entry for as long as this process runs; an equal entry may be added again.

    Raises ConfigError if a field is not a text, or the code is malformed, taken, or begins like
    another (`asl_x` would be a source of `asl` in the name of a data set).
    """
    code = check_code(language.code)
    for field, value in dataclasses.asdict(language).items():
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"language {code!r}: its {field} must be text, not {value!r}")
    if LANGUAGES.get(code, language) != language:
        raise ConfigError(f"language {code!r}: the code is that of {LANGUAGES[code].name}")
    for known in LANGUAGES:
        if code.startswith(f"{known}_") or known.startswith(f"{code}_"):
            raise ConfigError(f"language {code!r}: its code and {known!r} cannot be told apart")
    LANGUAGES[code] = language


def read_languages(path: str | os.PathLike) -> list[Language]:
    """The entries of a JSON file; raises ConfigError naming it and what is wrong."""
    try:
        return [Language(**entry) for entry in json.loads(Path(path).read_text("utf-8"))]
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            f"{path}: no list of languages with code, name, iso and spoken ({reason(error)})"
        ) from None


def get_language(code: str) -> Language:
    """Returns the registry entry of `code`; raises ConfigError naming the known codes."""
    if code not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise ConfigError(f"unknown language {code!r}: known are {known}; others by ${FILE}")
    return LANGUAGES[code]


def add_own() -> None:
    """Adds the entries of the file that `$SIGNLLM_LANGUAGES` names, if it names one."""
    if os.environ.get(FILE):
        for language in read_languages(os.environ[FILE]):
            add_language(language)


add_own()
