"""Walks through JSON that is too large to be parsed at once, one bounded value at a time."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from signllm_jax.core.errors import PoseFormatError

_PIECE = 2**20  # bytes read at once
_NO_SPACE = re.compile(r"[^ \t\r\n]")
LARGE = object()
"""Stands for a value that does not fit; it has not been read yet."""


class JsonStream:
    """A place in a JSON text.

    Raises PoseFormatError, naming the place, where the text is no JSON or too long.
    """

    def __init__(self, read: Callable[[int], bytes], most: int, total: int, place: str):
        """Starts at the begin.

        Args:
            read: Gives the next bytes, at most as many as it is asked for.
            most: Bytes that one value may take.
            total: Bytes that the text may have.
            place: What to name in an error.
        """
        self._read, self._most, self._left, self._place = read, most, total, place
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._json = json.JSONDecoder()
        self._text, self._at, self._ended = "", 0, False

    def peek(self) -> str:
        """The next character that is no space, which is not taken; nothing at the end."""
        while True:
            found = _NO_SPACE.search(self._text, self._at)
            self._at = found.start() if found else len(self._text)
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._fill(1)

    def value(self) -> Any:
        """Takes the next value, or is `LARGE` and takes nothing."""
        self.peek()
        self._fill(self._most)
        try:
            value, end = self._json.raw_decode(self._text, self._at)
        except RecursionError:
            raise self._error("nested too deep") from None
        except ValueError as error:
            if self._ended:
                raise self._error(str(error)) from None
            return LARGE
        if end == len(self._text) and not self._ended and isinstance(value, int | float):
            return LARGE  # a number may go on
        self._at = end
        return value

    def items(self) -> Iterator[None]:
        """Goes through a list; the caller takes each value before the next."""
        self._take("[")
        while self.peek() != "]":
            yield
            if self.peek() != "]":
                self._take(",")
        self._take("]")

    def entries(self) -> Iterator[str]:
        """Goes through a dictionary by its keys; the caller takes each value before the next."""
        self._take("{")
        while self.peek() != "}":
            key = self.value()
            if not isinstance(key, str):
                raise self._error("a key that is no text")
            self._take(":")
            yield key
            if self.peek() != "}":
                self._take(",")
        self._take("}")

    def _take(self, mark: str) -> None:
        if (found := self.peek()) != mark:
            raise self._error(f"{found or 'the end'} instead of {mark}")
        self._at += 1

    def _fill(self, wanted: int) -> None:
        while len(self._text) - self._at < wanted and not self._ended:
            piece = self._read(_PIECE)
            self._left -= len(piece)
            if self._left < 0:
                raise self._error("longer than may be read")
            try:
                text = self._decode(piece, not piece)
            except UnicodeDecodeError as error:
                raise self._error(str(error)) from None
            self._text, self._at = self._text[self._at :] + text, 0
            self._ended = not piece

    def _error(self, reason: str) -> PoseFormatError:
        return PoseFormatError(f"{self._place}: {reason}")
