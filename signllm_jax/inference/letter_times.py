"""Adds the letters or glosses that a clip was produced from to the clip, with their times."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from signllm_jax.core.typing import Array
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
    frames: Float[Array, " tokens"] | None = None,
) -> PoseClip:
    """The clip of a text with the letters that it spells, or the signs that its text lists.

    A signed text that does not list its signs is one cue.

    Args:
        clip: The produced clip.
        ids: Token ids of the text.
        tokenizer: Tokenizer of the ids.
        signs: Signs of the group.
        frames: float32 [tokens], duration of each token in frames; None if it is not known.
    """
    pieces = tokenizer.pieces(ids)
    if tokenizer.kind == "letters":
        letters = (piece.replace("▁", " ").strip() for piece in pieces)
        words = [list(run) for is_word, run in itertools.groupby(letters, bool) if is_word]
        cues = spelled_cues(words, clip.seconds)
    else:
        glosses = split_signs(tokenizer.decode(ids), signs)
        shares = None if frames is None else _of_signs(glosses, pieces, frames)
        cues = signed_cues(glosses, clip.seconds, shares=shares)
    return dataclasses.replace(clip, cues=cues)


def _of_signs(
    signs: Sequence[str], pieces: Sequence[str], frames: Float[Array, " tokens"]
) -> list[float] | None:
    """Duration of each sign of a text: the sum over its pieces; None if they do not match."""
    written = [len(piece.replace("▁", "").replace(" ", "")) for piece in pieces]
    ends = np.cumsum([len(sign.replace(" ", "").replace("-", "")) for sign in signs])
    if sum(written) != ends[-1]:
        return None
    # a piece that is white space alone belongs to the sign after it
    middles = np.cumsum(written) - np.array(written) / 2
    owner = np.minimum(np.searchsorted(ends, middles, side="right"), len(signs) - 1)
    return np.bincount(owner, frames, len(signs)).tolist()


def with_gloss(
    clip: PoseClip, gloss: str, spelled: bool, frames: Float[Array, " tokens"] | None = None
) -> PoseClip:
    """The clip of LangGloss with its letters, or with its glosses and the letters among them.

    Args:
        clip: The produced clip.
        gloss: LangGloss, such as `<asl:H> <asl:I>`.
        spelled: Whether its signs are letters of a manual alphabet.
        frames: float32 [tokens], duration of each token in frames; None if it is not known.
    """
    marks = split_marks(gloss)
    if spelled:
        cues = spelled_cues([[small(sign, code) for code, sign in marks]], clip.seconds)
    else:
        letters = {i for i, (_, sign) in enumerate(marks) if sign.startswith(FINGERSPELLED)}
        signs = [
            small(sign.removeprefix(FINGERSPELLED), code) if i in letters else sign
            for i, (code, sign) in enumerate(marks)
        ]
        # a gloss that is rare in train is several tokens
        shares = frames.tolist() if frames is not None and len(frames) == len(signs) else None
        cues = signed_cues(signs, clip.seconds, letters, shares)
    return dataclasses.replace(clip, cues=cues)
