"""Lettering on pictures: a font that has the letters, and lines that fit."""

import contextlib
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from PIL import ImageDraw, ImageFont

_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NanumGothic.ttf",
    "malgun.ttf",
    "AppleSDGothicNeo.ttc",
    "Arial Unicode.ttf",
)


@lru_cache(maxsize=16)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font of `size` pixels that every machine has."""
    # with a size it is never a bitmap font
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


@lru_cache(maxsize=64)
def legible(size: int, text: str) -> tuple[ImageFont.FreeTypeFont, str]:
    """A font of `size` pixels on this machine, and the text in letters that the font has.

    If no font has all letters, the last word of its Unicode name replaces a missing letter, which
    is its sound in most scripts: `안녕` becomes `annyeong`.
    """
    fonts = [font(size)]
    for name in _FONTS:
        if not _missing(fonts[-1], text):
            return fonts[-1], text
        with contextlib.suppress(OSError):
            fonts.append(ImageFont.truetype(name, size))
    best = min(fonts, key=lambda face: len(_missing(face, text)))
    missing = _missing(best, text)
    return best, "".join(_sound(letter) if letter in missing else letter for letter in text)


def _missing(face: ImageFont.FreeTypeFont, text: str) -> set[str]:
    """The letters of a text that a font does not have."""
    absent = _drawn(face, "\U0010ffff")
    letters = {letter for letter in text if not letter.isspace()}
    return {letter for letter in letters if _drawn(face, letter) == absent}


def _drawn(face: ImageFont.FreeTypeFont, letter: str) -> bytes:
    # the stub hides that the mask is a sequence
    return bytes(face.getmask(letter))  # pyright: ignore[reportArgumentType]


def _sound(letter: str) -> str:
    name = unicodedata.name(letter, f"U+{ord(letter):X}").rpartition(" ")[2].lower()
    return name if name.isascii() else ""


def write_lines(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, width: int, size: int, colour: str
) -> int:
    """Writes `text` in at most two lines of `width` pixels; returns the number of lines."""
    face, text = legible(size, text)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, face) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    kept = lines[:2]
    if len(lines) > 2 or draw.textlength(kept[-1], face) > width:
        while kept[-1] and draw.textlength(kept[-1] + " …", face) > width:
            kept[-1] = kept[-1][:-1]
        kept[-1] += " …"
    for row, line in enumerate(kept):
        draw.text((at[0], at[1] + row * size * 1.3), line, fill=colour, font=face)
    return len(kept)


def write_letters(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    letters: Sequence[str],
    lit: int | None,
    width: int,
    size: int,
    colours: tuple[str, str],
) -> None:
    """Writes letters in a row, one of them lit; of a longer row only the part around the lit one.

    Args:
        draw: Canvas of the picture.
        at: Left end and base line of the row, in pixels.
        letters: Letters of a word, one or several characters each.
        lit: Index of the lit letter, None = no letter is lit.
        width: Width of the row in pixels.
        size: Size of a letter in pixels.
        colours: Color of the other letters and color of the lit letter.
    """
    face, _ = legible(size, "".join(letters))
    wide = [draw.textlength(letter, face) + 0.55 * size for letter in letters]
    first = 0
    while lit and first < lit and sum(wide[first : lit + 2]) > width:
        first += 1
    left = float(at[0])
    for index in range(first, len(letters)):
        right = left + wide[index]
        if right > at[0] + width + 0.55 * size:
            break
        draw.text((left, at[1]), letters[index], colours[index == lit], face, anchor="ls")
        if index == lit:
            line = (left, at[1] + 0.28 * size, right - 0.55 * size, at[1] + 0.36 * size)
            draw.rectangle(line, fill=colours[1])
        left = right
