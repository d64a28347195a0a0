"""Cleans the glosses of corpora, and makes words of texts where a corpus has no gloss.

The rules apply to the input and the targets of models; the references of published benchmarks stay
as they are. A cleaned line may be empty.

| corpus | written | becomes |
|---|---|---|
| `phoenix` | `__ON__`, `__OFF__`, `__LEFTHAND__`, `__EMOTION__`, `<PU>` | dropped: no sign |
| | `loc-ALPEN`, `cl-KOMMEN`, `lh-`, `rh-`, `qu-` | without the prefix: place, classifier, hand |
| | `REGEN-PLUSPLUS`, `REGEN++` | `REGEN`: repeated movement |
| | `WIE AUSSEHEN` | `WIE-AUSSEHEN`, as it is mostly written |
| | `negalp-AUCH` | `neg-AUCH`: another form of the same negation |
| | `neg-`, `poss-`, `A+B+C`, repeated glosses | kept: they tell signs apart |
| `dgs` | `ICH1*`, `GEBURT1B^` | `ICH1`, `GEBURT1`: without the marks of a changed form (`*`), |
| | | a type of types (`^`) and a phonological variant (`B`); a number is another sign |
| | `$INDEX1`, `$PROD*`, `$GEST-OFF^` | `INDEX1`, `PROD`, `GEST-OFF`: manual, hence kept |
| | `$NUM-EINER1A:2d` | `NUM-EINER1:2`: the value without its form |
| | `$ALPHA1:A-B` | `A B`: fingerspelled letters |
| | `A1*`, two pipes, `B2` in one token | `A1 B2`: one sign a hand |
| | `$GEST-NM-…`, `$ORAL^`, `$UNCLEAR^`, `$$…`, `$EXTRA-LING-…` | dropped: no hand signs |
| `gksl` | `?`, `#NAME?` | dropped: punctuation, a damaged cell |
| `signsuisse` | `AH BON` | `AH-BON`: an entry is one sign |
| | `AUCUN - AUCUNE`, `BEAU-FILS / GENDRE` | `AUCUN`, `BEAU-FILS`: the first of its names |
| | `LONG - LONGUE 5` | `LONG5`: the number is another sign |
| `plain` | anything | its tokens |

In all of them letters are composed (NFC) and white space is folded.
"""

import re
import unicodedata
from collections.abc import Callable

from signllm_jax.core.errors import ConfigError
from signllm_jax.text.tokenizer import normalize_text


def clean_gloss(line: str, corpus: str) -> list[str]:
    """The glosses of a line; raises ConfigError when there are no rules for `corpus`."""
    if corpus not in _RULES:
        raise ConfigError(f"no gloss rules for {corpus!r}: there are {', '.join(_RULES)}")
    return _RULES[corpus](unicodedata.normalize("NFC", " ".join(line.split())))


def words(text: str, language: str) -> list[str]:
    """The words of a text in lower case; only punctuation within a word is kept.

    A text of nothing but punctuation has no words.
    """
    text = normalize_text(text, language).replace("’", "'")
    return re.findall(r"\w+(?:['.,:&+-]\w+)*", text)


def gloss_or_words(gloss: str, text: str, corpus: str, language: str) -> list[str]:
    """The cleaned gloss, or the words of the text if the cleaned gloss is empty."""
    return clean_gloss(gloss, corpus) or words(text, language)


def _phoenix(line: str) -> list[str]:
    line = re.sub(r"\bWIE AUSSEHEN\b", "WIE-AUSSEHEN", line)
    # (?<!\S) is the beginning of a gloss, (?!\S) its end
    line = re.sub(r"(?<!\S)(?:__\S*__|<\S*>|\[\S*\])(?!\S)", "", line)
    line = re.sub(r"(?<!\S)(?:(?:loc|cl|lh|rh|qu)-)+", "", line)
    line = re.sub(r"(?<!\S)negalp-", "neg-", line)
    return re.sub(r"(?:-PLUSPLUS|\+\+)(?!\S)", "", line).split()


def _dgs(line: str) -> list[str]:
    glosses = []
    for gloss in line.replace("||", " ").split():
        if re.match(r"\$\$|\$(?:GEST-NM|ORAL|UNCLEAR|EXTRA-LING)", gloss):
            continue
        gloss, _, value = gloss.lstrip("$").partition(":")
        gloss = re.sub(r"(?<=\d)[A-Z]$", "", gloss.rstrip("*^"))
        value = value.rstrip("*^")
        if gloss.startswith("ALPHA") and value:
            glosses += [letter for letter in value.split("-") if letter]
        elif gloss:
            value = re.sub(r"(?<=\d)[a-z]+$", "", value)
            glosses.append(f"{gloss}:{value}" if value else gloss)
    return glosses


def _gksl(line: str) -> list[str]:
    return [gloss for gloss in line.split() if gloss != "#NAME?" and re.search(r"\w", gloss)]


def _signsuisse(line: str) -> list[str]:
    number = re.search(r" (\d+)$", line)
    first = re.split(r" - | -(?=\S)| ?/ ?", line[: number.start()] if number else line)[0]
    name = "-".join(first.split())
    return [name + (number[1] if number else "")] if name else line.split()


_RULES: dict[str, Callable[[str], list[str]]] = {
    "plain": str.split,
    "phoenix": _phoenix,
    "dgs": _dgs,
    "gksl": _gksl,
    "signsuisse": _signsuisse,
}
CORPORA = tuple(_RULES)
