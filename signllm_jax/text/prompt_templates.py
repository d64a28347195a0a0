"""The templates that prompts are made from: those of the package, and files of users."""

import functools
import importlib.resources
import os
from pathlib import Path

from signllm_jax.core.errors import ConfigError, DataError

SPOKEN = ("en", "de", "de-CH", "fr", "it", "es", "ko", "tr")
"""The spoken languages that there are templates in; `de-CH` is what Swiss Germans write, Standard
German in Swiss spelling, since dialect has no spelling to agree on."""
SPLITS = ("train", "dev", "test")
SLOT, NAME = "{}", "{language}"
FULL, SHORT = "{full}", "{short}"
"""In patterns alone: the name of the sign language written out, and its abbreviation."""


def templates(spoken: str, split: str = "train") -> tuple[str, ...]:
    """The package's templates in a spoken language, for example `How do you sign '{}'?`.

    Args:
        spoken: one of `SPOKEN`.
        split: `train`, or `dev` and `test`, which serve model selection and reports; no model is
            ever trained on them.
    """
    if spoken not in SPOKEN or split not in SPLITS:
        raise ConfigError(
            f"no templates for {spoken!r}, {split!r}: there are {', '.join(SPOKEN)}, each with "
            f"{' and '.join(SPLITS)}"
        )
    return _sections(spoken)[split]


def patterns(spoken: str) -> tuple[str, ...]:
    """Patterns of many ways of asking, with or without quotation marks, only for training.

    Each `(this|that|)` stands for one of its alternatives, and `<kin>` stands for a line of the
    section [kin] of `pattern_sections`, which is a pattern again: see `asking.ask`.
    """
    return _sections(spoken)["patterns"]


def name_lines(spoken: str) -> tuple[str, ...]:
    """Lines about the names of sign languages: forms such as `{} Sign Language`, and entries.

    An entry such as `dsgs = Swiss German, Swiss-German` lists the words to put into the forms.
    """
    return _sections(spoken)["names"]


@functools.cache
def pattern_sections(spoken: str) -> dict[str, tuple[str, ...]]:
    """What `<name>` in a pattern stands for: the lines of the section of that name."""
    others = (*SPLITS, "patterns", "words", "names")
    return {name: lines for name, lines in _sections(spoken).items() if name not in others}


@functools.cache
def common_words(spoken: str) -> tuple[str, ...]:
    """Words that often stand beside a text, only for training."""
    return tuple(word for line in _sections(spoken)["words"] for word in line.split())


@functools.cache
def _sections(spoken: str) -> dict[str, tuple[str, ...]]:
    """The lines of a spoken language's file by section."""
    file = importlib.resources.files("signllm_jax.text") / "templates" / f"{spoken}.txt"
    sections: dict[str, list[str]] = {}
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section.append(line)
    return {name: tuple(lines) for name, lines in sections.items()}


def read_templates(path: str | os.PathLike) -> tuple[str, ...]:
    """Templates of a text file, one per line with `{}` or `'{}'`, as in Prompt2Sign.

    Raises DataError that names the file, and the line that does not have exactly one `{}`.
    """
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from None
    templates = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            if line.count(SLOT) != 1 or line.count(NAME) > 1:
                raise DataError(f"{path}:{number}: a template has one {{}}: {line[:60]!r}")
            templates.append(line.strip())
    if not templates:
        raise DataError(f"{path}: no templates")
    return tuple(templates)
