"""The templates that prompts are made from: the package's own, and files of a user's."""

import functools
import importlib.resources
import os

from signllm_jax.core.errors import ConfigError, DataError

SPOKEN = ("en", "de", "de-CH", "fr", "it", "es", "ko", "tr")
"""The spoken languages that there are templates in; `de-CH` is what Swiss Germans write, Standard
German in Swiss spelling, since dialect has no spelling to agree on."""
SPLITS = ("train", "dev", "test")
SLOT, NAME = "{}", "{language}"
FULL, SHORT = "{full}", "{short}"
"""In patterns alone: the name of the sign language written out, and its abbreviation."""


@functools.cache
def templates(spoken: str, split: str = "train") -> tuple[str, ...]:
    """The package's templates in a spoken language, for example `How do you sign '{}'?`.

    Args:
        spoken: one of `SPOKEN`.
        split: `train`; `dev` and `test` are for choosing and for reporting, and no model is ever
            trained on them.
    """
    if spoken not in SPOKEN or split not in SPLITS:
        raise ConfigError(
            f"no templates for {spoken!r}, {split!r}: there are {', '.join(SPOKEN)}, each with "
            f"{' and '.join(SPLITS)}"
        )
    return _sections(spoken)[split]


def patterns(spoken: str) -> tuple[str, ...]:
    """Patterns of many ways of asking, with or without quotation marks, to train on alone.

    In each `(this|that|)` one of the alternatives is to be chosen, and in place of `<kin>` a line
    of the section [kin] of `pattern_sections`, which is a pattern again: see `asking.ask`.
    """
    return _sections(spoken)["patterns"]


@functools.cache
def pattern_sections(spoken: str) -> dict[str, tuple[str, ...]]:
    """What `<name>` in a pattern stands for: the lines of the section of that name."""
    return {
        name: lines
        for name, lines in _sections(spoken).items()
        if name not in (*SPLITS, "patterns", "words")
    }


@functools.cache
def common_words(spoken: str) -> tuple[str, ...]:
    """Words that often stand beside a text, to train on alone."""
    return tuple(word for line in _sections(spoken)["words"] for word in line.split())


@functools.cache
def _sections(spoken: str) -> dict[str, tuple[str, ...]]:
    """The lines of a spoken language's file by section."""
    file = importlib.resources.files("signllm_jax.text") / "templates" / f"{spoken}.txt"
    found: dict[str, list[str]] = {}
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("["):
            rest = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            rest.append(line)
    return {name: tuple(lines) for name, lines in found.items()}


def read_templates(path: str | os.PathLike) -> tuple[str, ...]:
    """Templates of a text file, one a line with `{}` or `'{}'`, as Prompt2Sign has them.

    Raises DataError naming the file, and the line that has not exactly one `{}`.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            if line.count(SLOT) != 1 or line.count(NAME) > 1:
                raise DataError(f"{path}:{number}: a template has one {{}}: {line[:60]!r}")
            found.append(line.strip())
    if not found:
        raise DataError(f"{path}: no templates")
    return tuple(found)
