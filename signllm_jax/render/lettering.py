"""Lettering on pictures: a font that has the letters, and lines that fit."""

from functools import lru_cache

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


@lru_cache(maxsize=64)
def font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """A font of `size` pixels that has every letter of `text`, where this machine has one."""
    fallback = ImageFont.load_default(size)
    if _has(fallback, text):
        return fallback
    for name in _FONTS:
        try:
            candidate = ImageFont.truetype(name, size)
        except OSError:
            continue
        if _has(candidate, text):
            return candidate
    return fallback


def _has(candidate: ImageFont.FreeTypeFont, text: str) -> bool:
    absent = bytes(candidate.getmask("\U0010ffff"))
    return all(bytes(candidate.getmask(letter)) != absent for letter in set("".join(text.split())))


def write_lines(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, width: int, size: int, colour: str
) -> int:
    """Writes `text` in at most two lines of `width` pixels; returns how many it took."""
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
