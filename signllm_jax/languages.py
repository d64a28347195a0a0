"""Registry of sign languages: the eight of Prompt2Sign, and any other by one more entry."""

import dataclasses
import zlib

from signllm_jax.errors import ConfigError


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


def get_language(code: str) -> Language:
    """Returns the registry entry of `code`; raises ConfigError naming the known codes."""
    try:
        return LANGUAGES[code]
    except KeyError:
        raise ConfigError(f"unknown language {code!r}: known are {', '.join(LANGUAGES)}") from None
