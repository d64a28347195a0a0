"""What of a text a manual alphabet spells: runs of letters, and the marks between them."""

import unicodedata
from collections.abc import Collection

from signllm_jax.core.errors import TextError
from signllm_jax.text.tokenizer import Tokenizer


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


def spelled_parts(text: str, tokenizer: Tokenizer) -> list[str]:
    """What a model makes clips of, one after the other, to say a text.

    A text that is spelled loses its punctuation, with a pause where a mark or white space was. A
    tokenizer whose alphabet has a pause, a space, gets one part with single spaces, another one a
    part for each run of letters. Other texts are one part.

    Raises TextError when there is nothing but punctuation to spell.
    """
    if tokenizer.kind != "letters":
        return [text]
    letters = tokenizer.letters()
    runs, marks = spelled_runs(text, [unit for unit in letters if unit != " "])
    if marks and not runs:
        raise TextError(f"there is no letter to spell in {text[:40]!r}")
    return [" ".join(runs)] if " " in letters or not runs else runs


def left_out(text: str, tokenizer: Tokenizer) -> str:
    """Says which marks of a text are not spelled; nothing where none is."""
    if tokenizer.kind != "letters":
        return ""
    runs, marks = spelled_runs(text, [unit for unit in tokenizer.letters() if unit != " "])
    return f"left out: {' '.join(marks)}; spelled with pauses: {' '.join(runs)}" if marks else ""
