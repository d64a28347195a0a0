"""Puts the letters or glosses that a clip was produced from into it, with their times."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from signllm_jax.corpora.letters import small
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.cues import signed_cues, spelled_cues
from signllm_jax.text.langgloss import FINGERSPELLED, split_marks
from signllm_jax.text.spoken_signs import split_signs
from signllm_jax.text.tokenizer import Tokenizer


def with_cues(
    clip: PoseClip,
    ids: Sequence[int],
    tokenizer: Tokenizer,
    signs: Sequence[str] = (),
    frames: np.ndarray | None = None,
) -> PoseClip:
    """The clip of a text with the letters that it spells, or the signs that it says.

    A text that is signed and does not say its signs is one cue.

    Args:
        clip: produced.
        ids: tokens of its text.
        tokenizer: whose tokens they are.
        signs: of the group.
        frames: float32 [tokens], how long each token lasts, where the model says so.
    """
    if tokenizer.kind != "letters":
        said = split_signs(tokenizer.decode(ids), signs)
        shares = None
        if frames is not None:
            shares = _of_signs(said, tokenizer.pieces(ids), frames)
        return dataclasses.replace(clip, cues=signed_cues(said, clip.seconds, shares=shares))
    words: list[list[str]] = [[]]
    for piece in tokenizer.pieces(ids):
        letter = piece.replace("▁", " ").strip()
        if letter:
            words[-1].append(letter)
        elif words[-1]:
            words.append([])
    cues = spelled_cues([word for word in words if word], clip.seconds)
    return dataclasses.replace(clip, cues=cues)


def _of_signs(
    signs: Sequence[str], pieces: Sequence[str], frames: np.ndarray
) -> list[float] | None:
    """How long each sign of a text lasts: the sum over its pieces; None where they do not fit."""
    written = [len(piece.replace("▁", "").replace(" ", "")) for piece in pieces]
    ends = np.cumsum([len(sign.replace(" ", "").replace("-", "")) for sign in signs])
    if sum(written) != ends[-1]:
        return None
    # a piece that is white space alone belongs to the sign after it
    middles = np.cumsum(written) - np.array(written) / 2
    owner = np.minimum(np.searchsorted(ends, middles, side="right"), len(signs) - 1)
    return np.bincount(owner, frames, len(signs)).tolist()


def with_gloss(
    clip: PoseClip, gloss: str, spelled: bool, frames: np.ndarray | None = None
) -> PoseClip:
    """The clip of LangGloss with its letters, or with its glosses and the letters among them.

    Args:
        clip: produced.
        gloss: `<asl:H> <asl:I>`.
        spelled: whether its signs are letters of a manual alphabet.
        frames: float32 [tokens], how long each token lasts, where the model says so.
    """
    marks = split_marks(gloss)
    if spelled:
        cues = spelled_cues([[small(sign, code) for code, sign in marks]], clip.seconds)
    else:
        letters = {i for i, (_, sign) in enumerate(marks) if sign.startswith(FINGERSPELLED)}
        said = [
            small(sign.removeprefix(FINGERSPELLED), code) if place in letters else sign
            for place, (code, sign) in enumerate(marks)
        ]
        # a gloss that train has too seldom is several tokens
        shares = None
        if frames is not None and len(frames) == len(said):
            shares = frames.tolist()
        cues = signed_cues(said, clip.seconds, letters, shares)
    return dataclasses.replace(clip, cues=cues)
