"""Reads a visitor's input on the page: a text, or a question for one, quotation marks or not.

`What is the sign for thank you in ASL?`, `spell cat in ASL` and `hello in ASL` ask for a text,
`hello` is a text. A model that reads prompts has learned more forms of questions than these rules.
"""

import re
import unicodedata
from typing import NamedTuple

from signllm_jax.core.errors import TextError
from signllm_jax.core.languages import LANGUAGES
from signllm_jax.text import prompt_forms
from signllm_jax.text.language_names import mentions

# names in `_RULES` -> what they stand for; `EN_` and the like are what may precede the text
_NAMES = {
    "EN_": "(?:the |my )?(?:(?:word|name|letters|phrase|signs? for|signs? of|spelling of)[: ]+)?",
    "DE_": "(?:(?:das wort|(?:den|meinen) namen|(?:die )?gebärden? (?:für|von))[: ]+)?",
    "FR_": "(?:(?:le mot|le prénom|le nom|les? signes? (?:pour|de|du))[: ]+)?",
    "IT_": "(?:(?:la parola|il nome|il segno (?:per|di))[: ]+)?",
    "ES_": "(?:(?:la palabra|el nombre|la seña (?:para|de))[: ]+)?",
    "TR_": r"(?:['’]\w+)? (?:kelimesi(?:ni)? |sözcüğü(?:nü)? )?",
    "TRASKED": (
        "(?:işaretlenir|söylenir|denir|yazılır|hecelenir|gösterilir|yapılır|işaret edilir"
        "|anlatılır)"
    ),
    "KOASKED": (
        "(?:하나요|해요|하죠|말해요|말하나요|표현하나요|표현해요|써요|쓰나요|합니까|나타내나요)"
    ),
    "WHO": "(?:i|you|we|one|they|people|someone|somebody|deaf people|a deaf person)",
    "SIGN": "(?:sign|say|spell|fingerspell|finger ?spell|write|express|make|do)",
    "DONE": "(?:gebärdet|sagt|buchstabiert|zeigt|macht|schreibt|ausdrückt)",
    "DO": "(?:gebärden?|buchstabieren?|zeigen?|zeig|übersetzen?)",
    "TEXT": "(?P<text>.+?)",
}
# TEXT is the text that is asked for; names in capitals stand for the patterns above
_RULES = r"""
(?:.*\b)?how (?:to|do|does|would|can|could|should)(?: WHO)?(?: SIGN)? EN_TEXT
(?:.*\b)?how (?:is|are) TEXT (?:signed|said|spelled|spelt|fingerspelled)
(?:.*\b)?what(?: i|'?)s (?:the )?(?:signs?|word|fingerspelling|spelling) (?:for|of) EN_TEXT
(?:.*\b)?what does EN_TEXT look like
(?:can|could|would|will) you (?:sign|spell|fingerspell|show me|show) EN_TEXT
(?:sign|spell(?: out)?|fingerspell|finger spell|translate|show me|show) EN_TEXT
(?:the )?(?:sign language|signs?|fingerspelling) (?:for|of) EN_TEXT
(?:.*\b)?wie DONE (?:man|ich|ihr) DE_TEXT
(?:.*\b)?wie (?:heißt|heisst) DE_TEXT
(?:.*\b)?wie (?:man|ich) DE_TEXT DONE
(?:.*\b)?wie wird DE_TEXT (?:gebärdet|buchstabiert|gezeigt|geschrieben)
(?:.*\b)?was (?:ist|wäre) die gebärde (?:für|von) TEXT
was (?:heißt|heisst|bedeutet) DE_TEXT
(?:kannst du|können sie)(?: mir)? DE_TEXT (?:gebärden|buchstabieren|zeigen)
DO(?: sie)?(?: bitte)?(?: mir)?(?: bitte)? DE_TEXT
(?:die )?gebärden? (?:für|von) TEXT
(?:.*\b)?comment (?:signe|dit|épelle|écrit)[- ]t?[- ]?on FR_TEXT
(?:.*\b)?comment (?:on (?:signe|dit|épelle|fait)|signer|dire|épeler|faire) FR_TEXT
(?:.*\b)?comment TEXT se (?:signe|dit|épelle)
(?:.*\b)?(?:quel est|c'est quoi) le signe (?:pour|de|du) FR_TEXT
(?:épel(?:le|ez|er)|sign(?:e|ez|er)|montrez?(?:[- ]moi)?|tradui(?:s|sez|re)) FR_TEXT
(?:.*\b)?come si (?:segna|dice|compita|scrive|fa) IT_TEXT
(?:.*\b)?qual ?['’]?è il segno (?:per|di) IT_TEXT
(?:segna|compita|mostrami|mostra|fammi vedere|traduci) IT_TEXT
(?:.*\b)?c[oó]mo se (?:dice|seña|signa|deletrea|escribe|hace) ES_TEXT
(?:.*\b)?cu[aá]l es la seña (?:para|de) ES_TEXT
(?:deletrea|seña|signa|mu[eé]strame|ens[eé]ñame|traduce) ES_TEXT
TEXTTR_nasıl TRASKED
TEXTTR_(?:hecele|göster|işaretle|yaz)(?:yin|r misin|r misiniz)?
TEXT (?:işareti|kelimesi) (?:nedir|ne)
TEXT(?:을|를|은|는|이라고|라고)? ?(?:수[어화]로 ?)?어떻게 ?KOASKED
TEXT(?:을|를)? ?(?:수[어화]로 ?)?(?:보여|알려|가르쳐) ?(?:줘|줘요|주세요|주십시오)
"""


def _compiled(rules: str) -> list[re.Pattern]:
    for name, pattern in _NAMES.items():
        rules = rules.replace(name, pattern)
    return [re.compile(rule) for rule in rules.strip().splitlines()]


_QUESTIONS = _compiled(_RULES)
# sign language in general, and polite words
_ANY = re.compile(
    r"\b(?:in|into|using|with) (?:the )?sign language\b"
    r"|\b(?:in|auf|mit) (?:der )?gebärdensprache\b"
    r"|\ben (?:la )?langue des signes\b|\b(?:in|nella) lingua dei segni\b"
    r"|\ben (?:la )?lengua de (?:señas|signos)\b|\bişaret dili(?:nde|yle|ne)\b|수[어화]로"
)
_POLITE = re.compile(
    r"^(?:please|bitte|per favore|por favor|lütfen)[ ,]+"
    r"|[ ,]+(?:please|for me|now|thanks|bitte|s['’]il (?:te|vous) pla[iî]t|svp|stp|"
    r"per favore|por favor|lütfen)$"
)
_BEFORE = re.compile(
    r"(?:(?:^|(?<= ))(?:in|into|to|using|with|for|the|auf|mit|der|die|en|dans|la|a|nella|alla|con) "
    r")+$"
)
_AFTER = re.compile(
    r"n?['’]?(?:de|da|nde|yle|ile|ne)\b|으?로|에서|의| (?:for|für|pour|per|para)\b(?! favor)"
)
_EDGES = " \u00a0\u202f?!.,:;¿¡…？。！-–\"'“”„«»‘’"


class Typed(NamedTuple):
    """Meaning of a visitor's input.

    Attributes:
        text: Text to be signed.
        language: Code of the sign language that the input names; None if it names none.
        asked: Whether the input is a question for a text.
    """

    text: str
    language: str | None
    asked: bool


def understand(typed: str) -> Typed:
    """The meaning of a text or a question.

    Raises TextError of the kind `empty` if there is nothing to sign, and of the kind `language` if
    the input asks for several sign languages, or for one that is not in the registry.
    """
    typed = unicodedata.normalize("NFC", " ".join(typed.split()))
    reading = prompt_forms.read(typed, ()) if typed else None
    if reading and reading.payload is not None and reading.quoted:
        return Typed(_checked(reading.payload), _only(reading.languages), True)
    rest, named, at_edge = _without_names(typed)
    rest = _trimmed(rest)
    text = _question(rest)
    if text is None and at_edge:
        text = rest or None
    if text is None:
        return Typed(_checked(typed), None, False)
    return Typed(_checked(text), _only(named), True)


def _without_names(typed: str) -> tuple[str, set[str], bool]:
    """The text without names of sign languages and their prepositions, the named languages, and
    whether a name was at the beginning or end of the text."""
    spans = [(start, end, {code}) for start, end, code in mentions(typed)]
    lower = prompt_forms.lower(typed)
    for general in _ANY.finditer(lower):
        if not any(start < general.end() and general.start() < end for start, end, _ in spans):
            spans.append((*general.span(), set()))
    rest, named, at_edge = typed, set(), False
    for start, end, codes in sorted(spans, reverse=True):
        if before := _BEFORE.search(lower[:start]):
            start = before.start()
        if after := _AFTER.match(lower, end):
            end = after.end()
        at_edge |= not typed[:start].strip(_EDGES) or not _trimmed(typed[end:])
        named |= codes
        rest = f"{rest[:start].rstrip()} {rest[end:].lstrip()}"
    return rest, named, at_edge


def _trimmed(text: str) -> str:
    """The text without punctuation and polite words at either end."""
    before = None
    while before != text:
        before = text
        text = text.strip(_EDGES)
        if polite := _POLITE.search(prompt_forms.lower(text)):
            text = text[polite.end() :] if polite.start() == 0 else text[: polite.start()]
    return text


def _question(text: str) -> str | None:
    """The text that a question asks for, the shortest of all rules; None if it is no question."""
    lower = prompt_forms.lower(text)
    matches = [rule.fullmatch(lower) for rule in _QUESTIONS]
    spans = [match.span("text") for match in matches if match]
    if not spans:
        return None
    start, end = min(spans, key=lambda span: span[1] - span[0])
    return re.sub(r" (?:to|into|in|zu|nach|a|en)$", "", text[start:end].strip(_EDGES))


def _only(named: set[str]) -> str | None:
    """The only language of a set of at most one; raises TextError if it has several."""
    for name in sorted(named - set(LANGUAGES)):
        raise TextError(f"{name} is asked for: known are {', '.join(LANGUAGES)}", "language")
    if len(named) > 1:
        raise TextError(
            f"several sign languages are asked for: {', '.join(sorted(named))}", "language"
        )
    return next(iter(named), None)


def _checked(text: str) -> str:
    if not text.strip(_EDGES):
        raise TextError("there is nothing to sign", "empty")
    return text.strip()
