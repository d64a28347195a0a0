"""What of a text a manual alphabet spells: runs of letters, and the marks between them."""

import re
import unicodedata
from collections.abc import Collection

from signllm_jax.core.errors import TextError
from signllm_jax.text.tokenizer import Tokenizer, is_number, no_numbers, normalize_text


def spelled_runs(text: str, letters: Collection[str]) -> tuple[list[str], str]:
    """Divides a text at white space and punctuation that are no letters of an alphabet.

    Args:
        text: The text.
        letters: What can be spelled, in small letters.

    Returns:
        The runs between the marks, and the marks that are left out without white space. Digits,
        symbols and control characters are no marks: what cannot be spelled of a run is for its
        tokenizer to refuse.
    """
    runs, marks, known = [""], "", {letter for unit in letters for letter in unit}
    for letter in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(letter)
        divides = letter.isspace() or kind[0] in "PZ" or kind == "Cf"
        if letter.lower() in known or not divides:
            runs[-1] += letter
            continue
        runs.append("")
        marks += letter if kind[0] == "P" else ""
    return [run for run in runs if run], marks


def spelled_parts(text: str, tokenizer: Tokenizer, most: int = 0) -> list[str]:
    """What a model makes clips of, one after the other, to say a text.

    A text that is spelled loses its punctuation, with a pause where a mark or white space was. A
    tokenizer whose alphabet has a pause, a space, gets one part with single spaces, another one a
    part for each run of letters. Other texts are one part.

    Args:
        text: what is to be said.
        tokenizer: of the model.
        most: letters and pauses of a part, 0 = any number; only pauses divide.

    Raises TextError when there is nothing but punctuation to spell.
    """
    if tokenizer.kind != "letters":
        return [text]
    letters = tokenizer.letters()
    runs, marks = spelled_runs(text, [unit for unit in letters if unit != " "])
    if marks and not runs:
        raise TextError(f"there is no letter to spell in {text[:40]!r}", "empty")
    if " " not in letters and runs:
        return runs
    tokenizer.encode(" ".join(runs))  # what cannot be spelled is told of the whole text
    return divided(" ".join(runs), tokenizer, most) if most and runs else [" ".join(runs)]


_APART = dict(zip("œæßẞøłđıð", ("oe", "ae", "ss", "ss", "o", "l", "d", "i", "d")))


def folded(text: str, tokenizer: Tokenizer) -> tuple[str, tuple[str, ...]]:
    """A visitor's text in letters that the alphabet has, and which others gave way: `é`, `❤`.

    Accents are taken off and ligatures apart where the alphabet has them not, symbols are left out,
    and an apostrophe near a word's end divides nothing.

    Raises TextError of the kind `digits` or `letters` where something cannot be spelled at all, and
    `empty` where nothing is left.
    """
    known = {letter for unit in tokenizer.letters() for letter in unit}
    made, gone = [], []
    for letter in normalize_text(
        re.sub(r"(?<=\w\w)['’](?=\w{1,2}\b)", "", text), tokenizer.language
    ):
        kind = unicodedata.category(letter)
        if letter in known or letter.isspace() or kind[0] == "P":
            made.append(letter)
            continue
        if is_number(letter):
            raise no_numbers(text)
        plain = unicodedata.normalize("NFD", _APART.get(letter, letter))
        plain = "".join(x for x in plain if not unicodedata.combining(x))
        if kind[0] in "SMC":
            plain = " "
        elif not plain or not {*plain} <= known:
            raise TextError(
                f"the alphabet has no {letter!r}: it has {' '.join(tokenizer.letters())}", "letters"
            )
        made.append(plain)
        if kind not in ("Mn", "Me", "Cf"):
            gone.append(letter)
    text = " ".join("".join(made).split())
    if not any(letter in known and letter != " " for letter in text):
        raise TextError("there is no letter to spell", "letters" if gone else "empty")
    return text, tuple(dict.fromkeys(gone))


def divided(text: str, tokenizer: Tokenizer, most: int) -> list[str]:
    """A spelled text in parts of at most so many letters and pauses, divided at pauses.

    A word that is longer by itself is a part of its own.
    """
    parts: list[str] = []
    for word in text.split():
        longer = f"{parts[-1]} {word}" if parts else word
        if parts and len(tokenizer.encode(longer)) <= most:
            parts[-1] = longer
        else:
            parts.append(word)
    return parts


def left_out(text: str, tokenizer: Tokenizer) -> str:
    """Says which marks of a text are not spelled; nothing where none is."""
    if tokenizer.kind != "letters":
        return ""
    runs, marks = spelled_runs(text, [unit for unit in tokenizer.letters() if unit != " "])
    return f"left out: {' '.join(marks)}; read as: {' '.join(runs)}" if marks else ""
