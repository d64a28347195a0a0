"""Reads JSON files of strangers: regular files of a bounded size, parsed within a budget."""

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import orjson

from signllm_jax.core.errors import PoseFormatError
from signllm_jax.core.storage import open_regular
from signllm_jax.poses.budget import Budget
from signllm_jax.poses.frames import readable

SUFFIXES = (".json", ".gz")


def parse_json(content: bytes, source: str, budget: Budget) -> object:
    """Parses JSON after the budget was asked for its objects; raises PoseFormatError."""
    budget.ask_json(content, source)
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(content)
    try:  # a byte order mark, NaN or a huge number; or damage, for which json has a better message
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise PoseFormatError(f"{source}: JSON nested too deep") from None
    except ValueError as error:  # damaged JSON, bad UTF-8, a number of thousands of digits
        raise PoseFormatError(f"{source}: {error}") from None


@contextlib.contextmanager
def open_json(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """Opens a regular `.json` or `.json.gz` file; raises PoseFormatError, naming the file."""
    try:
        with readable(path), open_regular(path) as file:  # BadGzipFile is an OSError
            yield gzip.GzipFile(fileobj=file) if path.suffix.lower() == ".gz" else file
    except (EOFError, zlib.error) as error:
        raise PoseFormatError(f"{path}: not a readable .gz file: {error!s:.100}") from None


def load_json(path: Path, budget: Budget) -> object:
    """Reads a `.json` or `.json.gz` file; raises PoseFormatError, naming the file."""
    with open_json(path) as file:
        content = file.read(budget.bytes + 1)
    budget.ask(str(path), bytes=len(content))
    return parse_json(content, str(path), budget)
