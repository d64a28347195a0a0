"""Reads JSON of strangers: regular files of a bounded size, and what they hold once parsed."""

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

SUFFIXES = (".json", ".gz")


def parse_json(content: bytes, place: str, budget: Budget) -> object:
    """Parses JSON after the budget was asked for its objects; raises PoseFormatError."""
    budget.ask_json(content, place)
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(content)
    try:  # a byte order mark, NaN or a huge number; or damage, which is then told in json's words
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise PoseFormatError(f"{place}: JSON nested too deep") from None
    except ValueError as error:  # damaged JSON, bad UTF-8, a number of thousands of digits
        raise PoseFormatError(f"{place}: {error}") from None


@contextlib.contextmanager
def open_json(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """Opens a regular `.json` or `.json.gz` file; raises PoseFormatError, naming the file."""
    try:
        with open_regular(path) as file:
            if path.suffix.lower() != ".gz":
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked
    except PoseFormatError:
        raise
    except OSError as error:  # BadGzipFile is one
        raise PoseFormatError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise PoseFormatError(f"{path}: not a readable .gz file: {error!s:.100}") from None


def load_json(path: Path, budget: Budget) -> object:
    """Reads a `.json` or `.json.gz` file; raises PoseFormatError, naming the file."""
    with open_json(path) as file:
        content = file.read(budget.bytes + 1)
    budget.ask(str(path), bytes=len(content))
    return parse_json(content, str(path), budget)
