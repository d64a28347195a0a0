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
"""Stands for a value that is too large to be parsed at once; it has not been read yet."""


class JsonStream:
    """A position in a JSON text.

    Raises PoseFormatError, naming the file, where the text is no JSON or too long.
    """

    def __init__(self, read: Callable[[int], bytes], most: int, total: int, source: str):
        """Starts at the beginning of the text.

        Args:
            read: Returns the next bytes, at most as many as it is asked for.
            most: Largest number of bytes of one value.
            total: Largest number of bytes of the text.
            source: Name of the file, for error messages.
        """
        self._read, self._most, self._left, self._source = read, most, total, source
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._json = json.JSONDecoder()
        self._text, self._at, self._ended = "", 0, False

    def peek(self) -> str:
        """The next character that is no space, which stays in the text; empty at the end."""
        while True:
            match = _NO_SPACE.search(self._text, self._at)
            self._at = match.start() if match else len(self._text)
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._fill(1)

    def value(self) -> Any:
        """Takes and returns the next value; returns `LARGE` instead where it is too large."""
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
            return LARGE  # the number may have more digits
        self._at = end
        return value

    def items(self, first: str = "[", last: str = "]") -> Iterator[None]:
        """Goes through a list, or through other brackets; the caller takes each value."""
        self._take(first)
        while self.peek() != last:
            yield
            if self.peek() != last:
                self._take(",")
        self._take(last)

    def entries(self) -> Iterator[str]:
        """Goes through a dictionary by its keys; the caller takes the value of each."""
        for _ in self.items("{", "}"):
            key = self.value()
            if not isinstance(key, str):
                raise self._error("a key that is no text")
            self._take(":")
            yield key

    def _take(self, mark: str) -> None:
        if (character := self.peek()) != mark:
            raise self._error(f"{character or 'the end'} instead of {mark}")
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
        return PoseFormatError(f"{self._source}: {reason}")
