"""PoseReader: pose frames in, letters out by CTC: the judge of what a produced clip spells.

It sees 20 frames around each step, little more than one letter: a reader that saw whole words
could guess a badly formed letter from its neighbors, and would be a poor judge.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from signllm_jax.core.typing import Array
from signllm_jax.models.layers.blocks import Dense, Norm

BLANK = 0
"""CTC's blank is the tokenizers' padding id."""


class PoseReader(nn.Module):
    """A small convolutional network over time with a CTC head; the reader of one language.

    Attributes:
        vocab: number of token ids, the blank included.
        width: M.
        stride: frames a CTC step. A letter lasts 12 frames and more, and CTC needs a step for each
            letter and one more between two equal ones.
        layers: convolutions over 3 steps each.
    """

    vocab: int
    width: int = 96
    stride: int = 4
    layers: int = 2

    @nn.compact
    def __call__(
        self, frames: Float[Array, "B T coords"], length: Int[Array, " B"]
    ) -> tuple[Float[Array, "B steps vocab"], Float[Array, "B steps"]]:
        """Scores every id at every step.

        Args:
            frames: float32 [B, T, D - 1], standardized, without the counter; T a multiple of the
                stride.
            length: int32 [B], frames of each clip; what lies beyond changes nothing.

        Returns:
            logits float32 [B, T / stride, vocab] and padding float32 [B, T / stride], 1 beyond
            the clip's end, as `optax.ctc_loss` takes them.
        """
        rows, time, _ = frames.shape
        real = (jnp.arange(time) < length[:, None])[..., None]
        x = nn.gelu(Dense(self.width, ("patch", "embed"), name="frame")(frames * real)) * real
        x = x.reshape(rows, time // self.stride, -1)
        real = real[:, :: self.stride]
        x = Dense(self.width, ("patch", "embed"), name="step")(x)
        for layer in range(self.layers):
            y = Norm(name=f"norm_{layer}")(x) * real
            y = jnp.pad(y, ((0, 0), (1, 1), (0, 0)))
            # three shifted copies and one product: a convolution lifted over languages is slow
            y = jnp.concatenate([y[:, :-2], y[:, 1:-1], y[:, 2:]], -1)
            y = nn.gelu(Dense(self.width, ("patch", "embed"), name=f"convolution_{layer}")(y))
            x = x + Dense(self.width, ("embed", "patch"), name=f"out_{layer}")(y)
        logits = Dense(self.vocab, ("embed", "patch"), name="head")(Norm(name="norm")(x))
        return logits, 1.0 - real[..., 0].astype(jnp.float32)


def greedy(logits: Float[Array, "B N vocab"], padding: Float[Array, "B N"]) -> list[list[int]]:
    """The ids of the best path of every clip: repeats merged, then blanks removed.

    Source: Graves et al., Connectionist Temporal Classification, ICML 2006, section 3.2.

    Args:
        logits: [B, N, vocab].
        padding: [B, N], 1 beyond the clip's end.
    """
    best = np.where(padding > 0, BLANK, logits.argmax(-1))
    fresh = np.diff(best, axis=1, prepend=BLANK) != 0
    return [row[new & (row != BLANK)].tolist() for row, new in zip(best, fresh)]
