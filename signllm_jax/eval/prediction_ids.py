"""The names by which another system's predictions may call the references of a split."""

import re
import unicodedata
from collections.abc import Iterable

from signllm_jax.core.languages import LANGUAGES

_SPELLED = re.compile("fingerspelling_(texts_|signers_)?")
"""The part of an id that names a spelled data set; its name has more than one word."""


def file_name(name: str) -> str:
    """An id as the name of a file: what is not a letter, digit, dot, dash or _ becomes _."""
    return re.sub(r"[^\w.-]", "_", unicodedata.normalize("NFC", name))


def aliases(names: Iterable[str]) -> dict[str, str]:
    """Alias of a reference -> the `file_name` of its id, where the alias is unambiguous.

    Beside the id itself, `LANGUAGE_SOURCE_CLIP`, the aliases are `SOURCE_CLIP` and `CLIP`, and for
    a clip in a folder its last part. The `CLIP` of a spelled data set is the text with _ between
    its words.
    """
    meant: dict[str, set[str]] = {}
    for name in names:
        for alias in {name, name.rpartition("/")[2], *_corpus_names(name)} - {""}:
            meant.setdefault(file_name(alias), set()).add(file_name(name))
    single = {alias: next(iter(full)) for alias, full in meant.items() if len(full) == 1}
    return single | {file_name(name): file_name(name) for name in names}


def _corpus_names(name: str) -> set[str]:
    """The names of a clip in the corpus, by its id."""
    names: set[str] = set()
    for code in LANGUAGES:
        if name.startswith(f"{code}_"):
            rest = name.removeprefix(f"{code}_")
            spelled = _SPELLED.match(rest)
            clip = rest[spelled.end() :] if spelled else rest.partition("_")[2]
            names |= {rest, clip, clip.rpartition("/")[2]}
    return names
