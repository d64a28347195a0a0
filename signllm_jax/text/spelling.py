"""What of a text a manual alphabet spells: runs of letters, and the marks between them."""

import unicodedata
from collections.abc import Collection


def spelled_runs(text: str, letters: Collection[str]) -> tuple[list[str], str]:
    """Divides a text at white space and punctuation that are no letters of an alphabet.

    Args:
        text: The text.
        letters: What can be spelled, in small letters.

    Returns:
        The runs between the marks, and the marks that are left out without white space. Digits and
        symbols are no marks: what cannot be spelled of a run is for its tokenizer to refuse.
    """
    runs, marks, known = [""], "", {letter for unit in letters for letter in unit}
    for letter in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(letter)
        if letter.lower() in known or not (kind[0] in "PZ" or kind in ("Cc", "Cf")):
            runs[-1] += letter
            continue
        runs.append("")
        marks += letter if kind[0] == "P" else ""
    return [run for run in runs if run], marks
