"""Puts tables of every setting, and of those that may change, into configuration.md.

A hook of mkdocs; the marks `<!-- settings -->` and `<!-- may change -->` are where the tables go.
The paragraph after a mark tells readers of the file where the table is; the site has none of it.
"""

import dataclasses
import inspect
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from signllm_jax.artifacts.resuming import MAY_CHANGE
from signllm_jax.core import markdown
from signllm_jax.core.config import Config

MARK, CHANGES = "<!-- settings -->", "<!-- may change -->"


def described(kind: type) -> tuple[str, dict[str, str]]:
    """What a dataclass's docstring says of it and of each attribute."""
    said, _, attributes = inspect.getdoc(kind).partition("Attributes:\n")
    found = re.findall(r"(?ms)^    (\w+(?:, \w+)*): (.*?)(?=^    \w|\Z)", attributes)
    return " ".join(said.split()), {
        name: " ".join(words.split()) for names, words in found for name in names.split(", ")
    }


def table(kind: type, prefix: str) -> list[str]:
    """Lines of Markdown: every plain field with its default, range and meaning."""
    _, meaning = described(kind)
    rows = []
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(field.default_factory):
            continue
        made = field.default_factory is not dataclasses.MISSING
        default = field.default_factory() if made else field.default
        limits = field.metadata
        span = ""
        if limits.get("choices"):
            span = ", ".join(f"`{choice}`" for choice in limits["choices"])
        elif limits.get("low") is not None:
            span = f"{limits['low']:,} to {limits['high']:,}"
        words = markdown.escape(meaning.get(field.name, ""))
        rows.append([f"`{prefix}{field.name}`", f"`{default!r}`", span, words])
    return [markdown.table(["setting", "default", "range", ""], rows, align="l"), ""]


def tables() -> str:
    """The tables of the config itself and of every section."""
    lines = table(Config, "")
    for field in dataclasses.fields(Config):
        if dataclasses.is_dataclass(kind := field.default_factory):
            lines += [
                f"## {field.name}",
                "",
                described(kind)[0],
                "",
                *table(kind, f"{field.name}."),
            ]
    return "\n".join(lines)


def changes() -> str:
    """The table of what may change when a run goes on."""
    rows = [f"| `{name}` | {effect} |" for name, effect in MAY_CHANGE.items()]
    return "\n".join(["| setting or section | what its change does |", "|---|---|", *rows])


def on_page_markdown(markdown, page, **_):
    """Called by mkdocs with each page's source."""
    for mark, made in ((MARK, tables), (CHANGES, changes)):
        before, found, after = markdown.partition(f"{mark}\n\n")
        if found:
            rest = after.partition("\n\n")[2]
            markdown = f"{before}{made()}\n\n{rest}"
    return markdown
