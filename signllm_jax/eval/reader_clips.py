"""The clips that a reader learns from: real train clips, each time distorted in another way."""

import dataclasses

import numpy as np

from signllm_jax.core.errors import DataError
from signllm_jax.data.examples import Examples
from signllm_jax.poses.features import Statistics, make_frames
from signllm_jax.text.tokenizer import Encoder

_FARTHEST = 8.0  # deviations from the mean that an unseen joint is filled in at
_START = 4  # frames by which a clip may begin later


@dataclasses.dataclass(frozen=True)
class Distortion:
    """How far a clip is distorted; deviations are in standard ones.

    Attributes:
        noise: largest deviation of the noise on every number of every frame.
        offset: largest deviation of an offset of every number that lasts the whole clip.
        blank: share of frames that are blanked.
        tempo: largest change of tempo, as a factor up or down.
    """

    noise: float = 0.4
    offset: float = 0.2
    blank: float = 0.05
    tempo: float = 1.15


class ReaderClips:
    """The train clips of one language in memory, dealt out distorted.

    Args:
        source: the train split.
        tokenizer, statistics: of the language.
        most: clips that are used at most, the first ones.
        longest: frames of the longest clip that is used; where all clips are longer, all are.
        distortion: how far they are distorted.

    Attributes:
        frames: the most frames that a distorted clip may have.
        tokens: ids of the longest text.

    Raises:
        DataError: there is no clip.
    """

    def __init__(
        self,
        source: Examples,
        tokenizer: Encoder,
        statistics: Statistics,
        most: int,
        longest: int,
        distortion: Distortion,
    ):
        self._distortion = distortion
        self._frames, self._carried, self._seen, self._ids = [], [], [], []
        short = [i for i in range(len(source)) if source.lengths[i] <= longest]
        for index in (short or range(len(source)))[:most]:
            example = source[index]
            pose, confidence = example["pose"].astype(np.float32), example["confidence"]
            frames, seen = make_frames(pose, confidence, statistics)
            # where the recording rests or carries the joints that it does not show
            carried, _ = make_frames(pose, np.ones_like(confidence), statistics)
            self._frames.append(frames[:, :-1])
            self._carried.append(np.clip(carried[:, :-1], -_FARTHEST, _FARTHEST))
            self._seen.append(np.repeat(seen, 3, axis=1))
            self._ids.append(tokenizer.encode(source.texts[index]))
        if not self._frames:
            raise DataError(f"{source.language}: there is no train clip to train a reader on")
        self._shown = np.repeat(statistics.seen > 0, 3)
        self.frames = int(max(map(len, self._frames)) * distortion.tempo) + _START + 1
        self.tokens = max(map(len, self._ids))

    def batch(
        self, random: np.random.Generator, rows: int, frames: int, tokens: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws `rows` = B clips: frames float32 [B, frames, D - 1], length int32 [B] and ids
        int32 [B, tokens], 0 = padding.
        """
        shape = (rows, frames, len(self._shown))
        values, length = np.zeros(shape, np.float32), np.zeros(rows, np.int32)
        ids = np.zeros((rows, tokens), np.int32)
        for row, (index, other) in enumerate(random.integers(len(self._frames), size=(rows, 2))):
            clip = self._distorted(index, other, random)
            values[row, : len(clip)], length[row] = clip, len(clip)
            ids[row, : len(self._ids[index])] = self._ids[index]
        return values, length, ids

    def _distorted(self, index: int, other: int, random: np.random.Generator) -> np.ndarray:
        """Clip `index` in another tempo, with another start, noise, an offset and blank frames.

        A joint that the recording does not show at a moment (the hand that a letter does not use)
        stays missing in a third of the clips, as it is in real ones; in a third it is where the
        recording carries it; in a third it is clip `other`'s, moved towards the mean. A model is
        free to produce anything there: what is spelled must be read from the hand that signs.
        """
        limits = self._distortion
        tempo = limits.tempo ** random.uniform(-1, 1)
        late = random.integers(_START + 1)
        size = int(len(self._frames[index]) / tempo) + late
        moments = np.maximum(np.round((np.arange(size) - late) * tempo), 0).astype(int)

        def at(clip):
            return clip[np.minimum(moments, len(clip) - 1)]

        frames, seen = at(self._frames[index]), at(self._seen[index])
        way = random.integers(3)
        if way and not seen.all():
            guess = at(self._carried[index if way == 1 else other])
            guess = guess * (1 if way == 1 else random.uniform())
            frames, seen = np.where(seen, frames, guess), seen | self._shown
        level, shift = random.uniform(0, (limits.noise, limits.offset)).astype(np.float32)
        frames = frames + level * random.standard_normal(frames.shape, np.float32)
        frames += shift * random.standard_normal(frames.shape[1], np.float32)
        kept = random.uniform(size=(size, 1)) >= limits.blank
        return frames * (seen & kept)
