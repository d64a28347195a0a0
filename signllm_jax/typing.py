"""The letters of every shape, the batch that the model reads and the prediction that it makes.

L languages, B rows of a language, S text tokens, K clips of a row, T frames, J joints,
D = 3J + 1 numbers a frame (the counter last), P frames a patch, M model width, V vocabulary rows,
H heads, N clips (where B is taken).
"""

from typing import Any, NamedTuple

Array = Any  # numpy.ndarray or jax.Array
Tree = Any  # a pytree of arrays


class Batch(NamedTuple):
    """One training batch: numpy on the host, jax arrays [L, B, ...] on the devices.

    A row packs several clips one after the other; one clip a row is the special case.

    Attributes:
        text: int32 [L, B, S], 0 = pad.
        text_segment: int32 [L, B, S], which clip of the row a token belongs to, 0 = pad.
        frames: float32 [L, B, T, D], standardised; the last number is the counter.
        joint_mask: bool [L, B, T, J], the observed joints.
        segment: int32 [L, B, T], which clip of the row a frame belongs to, 0 = padding.
        position: int32 [L, B, T], the frame's place in its clip from 1, 0 = padding.
        example: int32 [L, B, K], index of each clip in its language's split, -1 = none.
        gloss: int32 [L, B, K, G], gloss ids of each clip, 0 = pad; None where a task has no need.
    """

    text: Array
    text_segment: Array
    frames: Array
    joint_mask: Array
    segment: Array
    position: Array
    example: Array
    gloss: Array | None = None


class Prediction(NamedTuple):
    """What the decoder says of each frame, all float32.

    Attributes:
        frames: [..., D - 1], standardised.
        counter: [...], progress of the clip in 0..1.
        seen: [..., J], logit of a joint being shown: a hand that takes no part is not.
    """

    frames: Array
    counter: Array
    seen: Array
