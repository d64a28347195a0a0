"""The pictures of a video: the signer, close-ups of the hands, and the current letter."""

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import cue_at
from signllm_jax.render import figure, lettering
from signllm_jax.render.view import hand_view, signing_view, used_hands

HEIGHT = 720
"""Height of a video in pixels; its pictures have the ratio 16 to 9."""
# in pixels of a picture of this height
_EDGE, _GAP, _TITLE, _LETTER, _NAME, _BAR, _ROUND = 24, 14, 32, 44, 22, 5, 16


@dataclasses.dataclass(frozen=True)
class _Card:
    """A rectangle of the picture with a clip, or with one hand of a clip."""

    clip: PoseClip
    left: int
    top: int
    width: int
    height: int
    hand: str | None = None
    name: str = ""


def video_frames(
    produced: PoseClip,
    reference: PoseClip | None = None,
    text: str = "",
    only: Collection[int] | None = None,
    height: int = HEIGHT,
) -> Iterator[np.ndarray]:
    """Yields the pictures of a video, uint8 [H, W, 3] with even sides, at the produced clip's rate.

    Close-ups beside a clip show its hands from the signer's left. A reference, if there is one, is
    on the left of the clip instead, at the same scale and in its own time. The shorter clip stays
    on its last frame, and a thin bar below each clip shows its progress.

    Args:
        produced: Produced clip, whose `fps` is that of the video.
        reference: Real clip of the same text.
        text: Text above the clips.
        only: Numbers of the pictures to draw; None = all.
        height: Height of a picture in pixels.
    """
    clips = [reference, produced] if reference else [produced]
    size = [side + side % 2 for side in (round(height * 16 / 9), height)]
    edge, title, letter = (round(part * height / HEIGHT) for part in (_EDGE, _TITLE, _LETTER))
    base = Image.new("RGB", size, figure.PAPER)
    draw, inner = ImageDraw.Draw(base), size[0] - 2 * edge
    lines = lettering.write_lines(draw, (edge, edge // 2), text, inner, title, figure.INK)
    top = edge // 2 + round(1.3 * title * lines if text else 0)
    lit = len(produced.cues) > 1 or any(cue.spelled for cue in produced.cues)
    if lit:
        top += round(1.5 * letter)
    cards = _cards(clips, edge, top, size, height / HEIGHT)
    for card in cards:
        at = (card.left, card.top - edge // 4)
        draw.text(at, card.name, figure.MUTED, lettering.font(edge), anchor="ls")
    view = signing_view(clips, aspect=cards[0].width / cards[0].height)
    for number in range(picture_count(produced, reference)) if only is None else sorted(only):
        image = base.copy()
        if lit:
            at = (edge, top - round(0.5 * letter))
            _light(image, produced, number / produced.fps, at, inner, letter)
        for card in cards:
            index = int((number + 0.5) / produced.fps * card.clip.fps)
            _put(image, card, min(index, len(card.clip) - 1), view, height / HEIGHT)
        yield np.asarray(image)


def picture_count(produced: PoseClip, reference: PoseClip | None) -> int:
    """The number of pictures: until the longer clip ends."""
    clips = [reference, produced] if reference else [produced]
    return max(round(max(len(clip) / clip.fps for clip in clips) * produced.fps), 1)


def _cards(
    clips: Sequence[PoseClip], edge: int, top: int, size: Sequence[int], scale: float
) -> list[_Card]:
    """The layout of a picture: two clips side by side, or one clip with a column of its hands."""
    gap, inner = round(_GAP * scale), size[0] - 2 * edge
    if len(clips) == 2:
        top += round(1.4 * _NAME * scale)
        width, height = (inner - gap) // 2, size[1] - top - edge
        return [
            _Card(clips[0], edge, top, width, height, name="reference"),
            _Card(clips[1], edge + width + gap, top, width, height, name="produced"),
        ]
    height = size[1] - top - edge
    hands = used_hands(clips[0])
    side = (height - gap * (len(hands) - 1)) // max(len(hands), 1)
    width = inner - (side + gap if hands else 0)
    cards = [_Card(clips[0], edge, top, width, height)]
    for row, hand in enumerate(hands):
        left, row_top = edge + width + gap, top + row * (side + gap)
        cards.append(_Card(clips[0], left, row_top, side, side, hand))
    return cards


def _put(image: Image.Image, card: _Card, index: int, view, scale: float) -> None:
    """Draws a frame of a card's clip at the position of the card."""
    clip, size = card.clip, (card.width, card.height)
    if card.hand:
        view = hand_view(clip, card.hand, index)
    picture = figure.draw_frame(clip, index, view, size, card.hand)
    if not card.hand:
        bar = max(round(_BAR * scale), 2)
        done = (0, card.height - bar, round(card.width * (index + 1) / len(clip)), card.height)
        ImageDraw.Draw(picture).rectangle(done, fill=figure.MUTED)
    image.paste(picture, (card.left, card.top), _corners(*size, round(_ROUND * scale)))


@lru_cache(maxsize=16)
def _corners(width: int, height: int, radius: int) -> Image.Image:
    """A mask that rounds the corners of a card."""
    mask = Image.new("L", (4 * width, 4 * height))
    box = (0, 0, 4 * width - 1, 4 * height - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, 4 * radius, fill=255)
    return mask.reduce(4)


def _light(
    image, clip: PoseClip, moment: float, at: tuple[int, int], width: int, size: int
) -> None:
    """Writes the word that is spelled at a moment, with its letter lit, or the gloss."""
    lit = cue_at(clip.cues, moment)
    last = max((i for i, cue in enumerate(clip.cues) if cue.start <= moment), default=0)
    word = [i for i, cue in enumerate(clip.cues) if cue.word == clip.cues[last].word]
    letters, index = [clip.cues[i].label for i in word], None if lit is None else word.index(lit)
    draw, colours = ImageDraw.Draw(image), (figure.MUTED, figure.ACCENT)
    lettering.write_letters(draw, at, letters, index, width, size, colours)
