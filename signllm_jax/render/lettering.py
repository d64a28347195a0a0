"""Lettering on pictures: a font that has the letters, and lines that fit.

No letter is drawn as a box. Where no font of the machine has one, Hangul is romanized and other
letters are escaped, and the text says so.
"""

import importlib.util
import unicodedata
from functools import lru_cache

from PIL import ImageDraw, ImageFont

_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.otf",
    "NanumGothic.ttf",
    "UnDotum.ttf",
    "malgun.ttf",
    "AppleSDGothicNeo.ttc",
    "Arial Unicode.ttf",
)


@lru_cache(maxsize=64)
def font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """A font of `size` pixels that has every letter of `text`, where this machine has one."""
    fallback = ImageFont.load_default(size)
    if _has(fallback, text):
        return fallback
    for name in (*_FONTS, *_of_matplotlib()):
        try:
            candidate = ImageFont.truetype(name, size)
        except OSError:
            continue
        if _has(candidate, text):
            return candidate
    return fallback


@lru_cache(maxsize=1)
def _of_matplotlib() -> tuple[str, ...]:
    """DejaVu Sans as matplotlib brings it along, for machines without fonts; none without it."""
    found = importlib.util.find_spec("matplotlib")
    folders = () if found is None else found.submodule_search_locations or ()
    return tuple(f"{folder}/mpl-data/fonts/ttf/DejaVuSans.ttf" for folder in folders)


def _has(candidate: ImageFont.FreeTypeFont, text: str) -> bool:
    absent = bytes(candidate.getmask("\U0010ffff"))
    return all(bytes(candidate.getmask(letter)) != absent for letter in set("".join(text.split())))


def drawable(text: str, size: int = 24) -> str:
    """The text as this machine's fonts can draw it: unchanged, or with what they lack spelled out.

    Hangul is romanized syllable by syllable (`annyeong` for 안녕), other letters become `\\u....`;
    a note at the end says which.
    """
    face = font(size, text)
    if _has(face, text):
        return text
    said, notes = [], []
    for letter in unicodedata.normalize("NFC", text):
        name = unicodedata.name(letter, "")
        if letter.isspace() or _has(face, letter):
            said.append(letter)
        elif name.startswith("HANGUL SYLLABLE "):
            said.append(name.rpartition(" ")[2].lower())
            notes.append("romanized")
        else:
            said.append(letter.encode("unicode_escape").decode("ascii"))
            notes.append("escaped")
    return f"{''.join(said)} ({', '.join(dict.fromkeys(notes))}: no font here has the letters)"


def write_lines(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, width: int, size: int, colour: str
) -> int:
    """Writes `text` in at most two lines of `width` pixels; returns how many it took.

    What no font has is written as `drawable` says.
    """
    text = drawable(text, size)
    face = font(size, text)
    lines, words = [""], text.split()
    for word in words:
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
