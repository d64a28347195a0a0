"""The letters of every shape, the batch that the model reads and the prediction that it makes.

L languages, B rows of a language, S text tokens, K clips of a row, T frames, J joints,
D = 3J + 1 numbers a frame (the counter last), P frames a patch, M model width, V vocabulary rows,
H heads, N clips (where B is taken).

Signatures name an axis where a letter does not do: `coords` = D - 1 = 3J coordinates of a frame,
`patch_coords` = P (D - 1), `patch_joints` = P J, `head` = M / H, `latent` = Z + 4 of a latent code
and which hands are shown, `draws` and `noise` random numbers of a clip, `grams` a unit of text with
its n-grams, `ids` glosses with the blank, `tokens` of a text. `#` before a name allows size 1.
"""

from typing import Any, NamedTuple

Array = Any  # numpy.ndarray or jax.Array; jaxtyping adds the type of its numbers and its shape
Tree = Any  # a pytree of arrays
Leaf = Any  # an array of a pytree, or its ShapeDtypeStruct, sharding or PartitionSpec


class Batch(NamedTuple):
    """One training batch: numpy on the host, jax arrays [L, B, ...] on the devices.

    A row packs several clips one after the other; one clip a row is the special case.

    Attributes:
        text: int32 [L, B, S], 0 = pad.
        text_segment: int32 [L, B, S], which clip of the row a token belongs to, 0 = pad.
        frames: float32 [L, B, T, D], standardized; the last number is the counter.
        joint_mask: bool [L, B, T, J], the observed joints.
        segment: int32 [L, B, T], which clip of the row a frame belongs to, 0 = padding.
        position: int32 [L, B, T], the frame's place in its clip from 1, 0 = padding.
        example: int32 [L, B, K], index of each clip in its language's split, -1 = none.
        gloss: int32 [L, B, K, G], gloss ids of each clip, 0 = pad; None if the task needs none.
        prompts: input and output of the text stage for the row's first clips, whose LangGloss is
            `text`; None for a model without a text stage.
        group: int32 [L, B, K], group of clips that each clip's quality is compared with; None = all
            clips are one group.
    """

    text: Array
    text_segment: Array
    frames: Array
    joint_mask: Array
    segment: Array
    position: Array
    example: Array
    gloss: Array | None = None
    prompts: "LineBatch | None" = None
    group: Array | None = None


class LineBatch(NamedTuple):
    """One training batch of a text stage; a row packs several texts and their lines.

    Attributes:
        units: int32 [L, B, U, 1 + G], a unit and the n-grams that it is made of, 0 = pad.
        unit_segment: int32 [L, B, U], which text of the row a unit belongs to, 0 = pad.
        line: int32 [L, B, N], LangGloss tokens, EOS after each line, 0 = pad.
        line_segment: int32 [L, B, N], which text of the row a token belongs to, 0 = pad.
    """

    units: Array
    unit_segment: Array
    line: Array
    line_segment: Array


class Prediction(NamedTuple):
    """The decoder's prediction for each frame, all float32.

    Attributes:
        frames: [..., D - 1], standardized.
        counter: [...], progress of the clip in 0..1.
        seen: [..., J], logit of a joint being shown: a hand that is not used is not shown.
    """

    frames: Array
    counter: Array
    seen: Array


class TokenScores(NamedTuple):
    """The decoder's prediction for the token at each position, logits in float32.

    Attributes:
        gloss: [..., V].
        language: [..., languages].
    """

    gloss: Array
    language: Array
