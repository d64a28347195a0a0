"""Divides texts into what a manual alphabet can spell, and the punctuation in between."""

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
    runs, marks, known = [""], "", set("".join(letters))
    for letter in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(letter)
        divides = letter.isspace() or kind[0] in "PZ" or kind == "Cf"
        if letter.lower() in known or not divides:
            runs[-1] += letter
        else:
            runs.append("")
            marks += letter if kind[0] == "P" else ""
    return [run for run in runs if run], marks


def spelled_parts(text: str, tokenizer: Tokenizer, most: int = 0) -> list[str]:
    """The parts of a text of which a model makes clips, one after the other.

    A spelled text loses its punctuation; a pause replaces punctuation and white space. If the
    alphabet has a pause (a space), the text is one part with single spaces, otherwise there is one
    part per run of letters. Texts that are not spelled are one part.

    Args:
        text: Text to be signed.
        tokenizer: Tokenizer of the model.
        most: Largest number of letters and pauses of a part, 0 = no limit; parts end at pauses.

    Raises TextError if the text has nothing but punctuation.
    """
    if tokenizer.kind != "letters":
        return [text]
    letters = tokenizer.letters()
    runs, marks = spelled_runs(text, [unit for unit in letters if unit != " "])
    if marks and not runs:
        raise TextError(f"there is no letter to spell in {text[:40]!r}", "empty")
    if " " not in letters and runs:
        return runs
    tokenizer.encode(" ".join(runs))  # raises an error about the whole text, not about a part
    return divided(" ".join(runs), tokenizer, most) if most and runs else [" ".join(runs)]


_APART = dict(zip("œæßẞøłđıð", ("oe", "ae", "ss", "ss", "o", "l", "d", "i", "d")))


def folded(text: str, tokenizer: Tokenizer) -> tuple[str, tuple[str, ...]]:
    """A visitor's text in letters of the alphabet, and the characters that were replaced: `é`, `❤`.

    Accents and ligatures that the alphabet does not have become plain letters, symbols are left
    out, and an apostrophe near the end of a word does not divide it.

    Raises TextError of the kind `digits` or `letters` if something cannot be spelled at all, and of
    the kind `empty` if nothing is left.
    """
    known = set("".join(tokenizer.letters()))
    plain_text, gone = "", []
    without_apostrophes = re.sub(r"(?<=\w\w)['’](?=\w{1,2}\b)", "", text)
    for letter in normalize_text(without_apostrophes, tokenizer.language):
        kind = unicodedata.category(letter)
        if letter in known or letter.isspace() or kind[0] == "P":
            plain_text += letter
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
        plain_text += plain
        if kind not in ("Mn", "Me", "Cf"):
            gone.append(letter)
    if not (known - {" "}).intersection(plain_text):
        raise TextError("there is no letter to spell", "letters" if gone else "empty")
    return " ".join(plain_text.split()), tuple(dict.fromkeys(gone))


def divided(text: str, tokenizer: Tokenizer, most: int) -> list[str]:
    """A spelled text in parts of at most `most` letters and pauses, divided at pauses.

    A longer word is a part by itself.
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
    """A sentence about the punctuation that is not spelled; empty if there is none."""
    if tokenizer.kind != "letters":
        return ""
    runs, marks = spelled_runs(text, [unit for unit in tokenizer.letters() if unit != " "])
    return f"left out: {' '.join(marks)}; read as: {' '.join(runs)}" if marks else ""
