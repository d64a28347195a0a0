"""What sign languages are called in the spoken languages, and which of them a sentence names.

French and Italian Sign Language mean their Swiss variants here, which are the ones of the
registry; a language that is in no registry entry (`British Sign Language`) is found as well, so
that asking for it can be refused instead of answered in another.
"""

import difflib
import functools
import re
import unicodedata

from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import ABBREVIATIONS, FILE, LANGUAGES, find_code, name_key

_UPPER_ONLY = {"LIS", "TİD", "TID"}  # in small letters words: French lis, Danish tid


def _inflected(*stems: str) -> tuple[str, ...]:
    return tuple(stem + ending for stem in stems for ending in ("en", "e", "er"))


# spoken language -> patterns, and for every sign language what is put into them; the first of
# each is the usual one (German: in the dative, as after "in der")
_GERMAN = (
    ("{} Gebärdensprache",),
    {
        "asl": _inflected("Amerikanisch"),
        "gsl": _inflected("Deutsch"),
        "dsgs": (
            "Deutschschweizer",
            *_inflected("Deutschschweizerisch", "Schweizerdeutsch"),
            *_inflected("Schweizer Deutsch"),
        ),
        "lsf_ch": ("Westschweizer", *_inflected("Französisch", "Schweizer Französisch")),
        "lis_ch": ("Tessiner", *_inflected("Italienisch", "Schweizer Italienisch")),
        "lsa": _inflected("Argentinisch"),
        "ksl": _inflected("Koreanisch", "Südkoreanisch"),
        "tsl": _inflected("Türkisch"),
        "British Sign Language": _inflected("Britisch"),
        "Austrian Sign Language": _inflected("Österreichisch"),
        "Japanese Sign Language": _inflected("Japanisch"),
        "Chinese Sign Language": _inflected("Chinesisch"),
        "Spanish Sign Language": _inflected("Spanisch"),
        "Brazilian Sign Language": _inflected("Brasilianisch"),
    },
)
_SPOKEN = {
    "en": (
        ("{} Sign Language",),
        {
            "asl": ("American",),
            "gsl": ("German",),
            "dsgs": ("Swiss German", "Swiss-German"),
            "lsf_ch": ("Swiss French", "Swiss-French", "French"),
            "lis_ch": ("Swiss Italian", "Swiss-Italian", "Italian"),
            "lsa": ("Argentine", "Argentinian", "Argentinean"),
            "ksl": ("Korean",),
            "tsl": ("Turkish",),
            "British Sign Language": ("British",),
            "Austrian Sign Language": ("Austrian",),
            "Japanese Sign Language": ("Japanese",),
            "Chinese Sign Language": ("Chinese",),
            "Spanish Sign Language": ("Spanish",),
            "Brazilian Sign Language": ("Brazilian",),
            "Greek Sign Language": ("Greek",),
            "Indian Sign Language": ("Indian",),
            "Irish Sign Language": ("Irish",),
        },
    ),
    "de": _GERMAN,
    "de-CH": _GERMAN,
    "fr": (
        ("langue des signes {}",),
        {
            "asl": ("américaine",),
            "gsl": ("allemande",),
            "dsgs": ("suisse allemande", "suisse-allemande", "suisse alémanique"),
            "lsf_ch": ("suisse romande", "suisse-romande", "de Suisse romande", "française"),
            "lis_ch": ("suisse italienne", "suisse-italienne", "de Suisse italienne", "italienne"),
            "lsa": ("argentine",),
            "ksl": ("coréenne", "sud-coréenne"),
            "tsl": ("turque",),
            "British Sign Language": ("britannique",),
            "Austrian Sign Language": ("autrichienne",),
            "Japanese Sign Language": ("japonaise",),
            "Chinese Sign Language": ("chinoise",),
            "Spanish Sign Language": ("espagnole",),
            "Brazilian Sign Language": ("brésilienne",),
            "Quebec Sign Language": ("québécoise",),
        },
    ),
    "it": (
        ("lingua dei segni {}",),
        {
            "asl": ("americana",),
            "gsl": ("tedesca",),
            "dsgs": ("svizzero-tedesca", "svizzero tedesca", "svizzera tedesca"),
            "lsf_ch": ("svizzero-francese", "svizzera francese", "romanda", "francese"),
            "lis_ch": (
                "svizzero-italiana",
                "svizzera italiana",
                "della Svizzera italiana",
                "italiana",
            ),
            "lsa": ("argentina",),
            "ksl": ("coreana", "sudcoreana"),
            "tsl": ("turca",),
            "British Sign Language": ("britannica",),
            "Austrian Sign Language": ("austriaca",),
            "Japanese Sign Language": ("giapponese",),
            "Chinese Sign Language": ("cinese",),
            "Spanish Sign Language": ("spagnola",),
            "Brazilian Sign Language": ("brasiliana",),
        },
    ),
    "es": (
        ("lengua de señas {}", "lengua de signos {}", "lenguaje de señas {}"),
        {
            "asl": ("americana", "americano", "estadounidense"),
            "gsl": ("alemana", "alemán"),
            "dsgs": ("suizo-alemana", "suizoalemana", "suiza alemana"),
            "lsf_ch": ("suizo-francesa", "suizofrancesa", "suiza francesa", "francesa", "francés"),
            "lis_ch": ("suizo-italiana", "suizoitaliana", "suiza italiana", "italiana", "italiano"),
            "lsa": ("argentina", "argentino"),
            "ksl": ("coreana", "coreano", "surcoreana"),
            "tsl": ("turca", "turco"),
            "British Sign Language": ("británica", "británico"),
            "Austrian Sign Language": ("austriaca", "austríaca"),
            "Japanese Sign Language": ("japonesa", "japonés"),
            "Chinese Sign Language": ("china", "chino"),
            "Spanish Sign Language": ("española", "español"),
            "Brazilian Sign Language": ("brasileña", "brasileño"),
            "Mexican Sign Language": ("mexicana", "mexicano"),
        },
    ),
    "ko": (
        ("{} 수어", "{}수어", "{} 수화", "{}수화"),
        {
            "asl": ("미국",),
            "gsl": ("독일",),
            "dsgs": ("스위스 독일어권", "스위스 독일어", "스위스 독일"),
            "lsf_ch": ("스위스 프랑스어권", "스위스 프랑스어", "스위스 프랑스", "프랑스"),
            "lis_ch": ("스위스 이탈리아어권", "스위스 이탈리아어", "스위스 이탈리아", "이탈리아"),
            "lsa": ("아르헨티나",),
            "ksl": ("한국", "대한민국"),
            "tsl": ("튀르키예", "터키"),
            "British Sign Language": ("영국",),
            "Austrian Sign Language": ("오스트리아",),
            "Japanese Sign Language": ("일본",),
            "Chinese Sign Language": ("중국",),
            "Spanish Sign Language": ("스페인",),
            "Brazilian Sign Language": ("브라질",),
        },
    ),
    "tr": (
        ("{} İşaret Dili",),
        {
            "asl": ("Amerikan",),
            "gsl": ("Alman",),
            "dsgs": ("İsviçre Alman", "İsviçre-Alman", "İsviçre Almancası"),
            "lsf_ch": ("İsviçre Fransız", "İsviçre-Fransız", "Fransız"),
            "lis_ch": ("İsviçre İtalyan", "İsviçre-İtalyan", "İtalyan"),
            "lsa": ("Arjantin",),
            "ksl": ("Kore", "Güney Kore"),
            "tsl": ("Türk", "Türkiye"),
            "British Sign Language": ("İngiliz",),
            "Austrian Sign Language": ("Avusturya",),
            "Japanese Sign Language": ("Japon",),
            "Chinese Sign Language": ("Çin",),
            "Spanish Sign Language": ("İspanyol",),
            "Brazilian Sign Language": ("Brezilya",),
        },
    ),
}
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


def names(code: str, spoken: str) -> tuple[str, ...]:
    """What the sign language `code` is called in `spoken`, the usual name first.

    A language of the registry that has no names there goes by its English one.
    """
    patterns, words = _SPOKEN.get(spoken, ((), {}))
    own = words.get(code) or words.get(LANGUAGES[code].name, ())
    found = tuple(pattern.format(word) for pattern in patterns for word in own)
    if (code, spoken) == ("ksl", "ko"):
        found = ("한국수어", *found)  # officially one word
    return found or (LANGUAGES[code].name,)


def abbreviations(code: str) -> tuple[str, ...]:
    """The abbreviations of the sign language `code`, the usual one first."""
    return ABBREVIATIONS.get(code) or (code.upper(),)


def find_languages(text: str) -> set[str]:
    """The sign languages that a text names: codes, or English names of those without an entry."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return {language for _, _, language in mentions(text)}


def mentions(text: str) -> list[tuple[int, int, str]]:
    """Where a text (NFC, single spaces) names sign languages: (start, end, as `find_languages`)."""
    pattern, meaning = _finder(tuple(LANGUAGES))
    return [(*found.span(), meaning[name_key(found[0])]) for found in pattern.finditer(text)]


@functools.cache
def _finder(codes: tuple[str, ...]) -> tuple[re.Pattern, dict[str, str]]:
    """A pattern that matches any name, longer names first, and `name_key(name)` -> language."""
    full: dict[str, str] = {}
    short: dict[str, str] = {}
    registered = {LANGUAGES[code].name for code in codes}
    for spoken, (_, words) in _SPOKEN.items():
        for code in {*words, *codes} - registered:
            if code in codes:
                listed = names(code, spoken)
            else:
                patterns, _ = _SPOKEN[spoken]
                listed = [pattern.format(word) for pattern in patterns for word in words[code]]
            full.update(dict.fromkeys(listed, code))
    for code in codes:
        for name in (*abbreviations(code), code.upper()):
            short[name] = code
            if name not in _UPPER_ONLY:
                short[name.lower()] = code
    for code, listed in _OTHER_ABBREVIATIONS.items():
        if code not in registered:
            short.update(dict.fromkeys(listed, code))

    def alternatives(listed):
        return "|".join(map(re.escape, sorted(listed, key=len, reverse=True)))

    latin = "[0-9A-Za-zÀ-ɏ_]"  # may not touch an abbreviation; Korean particles may
    pattern = rf"(?<!\w)(?i:{alternatives(full)})|(?<!{latin})(?:{alternatives(short)})(?!{latin})"
    return re.compile(pattern), {name_key(name): code for name, code in {**full, **short}.items()}


def code_of(name: str) -> str:
    """The code of the sign language that a name, code, ISO code or abbreviation means, else ''.

    Names may be those of any of the spoken languages, in any case; English ones may go without
    "Sign Language".
    """
    if code := find_code(name):
        return code
    _, meaning = _finder(tuple(LANGUAGES))
    found = meaning.get(name_key(name)) or meaning.get(name_key(f"{name} Sign Language"), "")
    return found if found in LANGUAGES else ""


def known_code(name: object) -> str:
    """As `code_of`; raises ConfigError with the nearest name where none is meant."""
    if not isinstance(name, str):
        raise ConfigError(f"a language is named by a text such as 'asl', not {name!r:.60}")
    if code := code_of(name):
        return code
    called = {name_key(entry.name): code for code, entry in LANGUAGES.items()}
    called |= {name_key(word): code for code in LANGUAGES for word in (code, *abbreviations(code))}
    key = name_key(name)
    near = [other for other in called if key and other.startswith(f"{key} ")]
    near = near or difflib.get_close_matches(key, called, 1)
    hint = ""
    if near:
        entry = LANGUAGES[called[near[0]]]
        hint = f"; did you mean {entry.code} ({entry.name})?"
    known = f"known are {', '.join(LANGUAGES)}; others by ${FILE}"
    raise ConfigError(f"unknown language {name!r:.60}: {known}{hint}")
