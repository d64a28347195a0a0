"""The clips that a reader learns from: real train clips, distorted anew each time."""

import dataclasses

import numpy as np

from signllm_jax.core.errors import DataError
from signllm_jax.data.examples import Examples
from signllm_jax.poses.features import Statistics, make_frames
from signllm_jax.text.tokenizer import Encoder

_FARTHEST = 8.0  # greatest distance of a filled-in joint from the mean, in standard deviations
_START = 4  # greatest number of frames by which a clip begins later


@dataclasses.dataclass(frozen=True)
class Distortion:
    """How far a clip is distorted; noise and offset are in standard deviations of the frames.

    Attributes:
        noise: Greatest standard deviation of the noise on every number of every frame.
        offset: Greatest standard deviation of the offset of every number over the whole clip.
        blank: Share of frames that are blanked.
        tempo: Greatest change of tempo, as a factor up or down.
    """

    noise: float = 0.4
    offset: float = 0.2
    blank: float = 0.05
    tempo: float = 1.15


class ReaderClips:
    """The train clips of one language in memory, of which distorted batches are drawn.

    Args:
        source: Train split.
        tokenizer: Tokenizer of the language.
        statistics: Statistics of the language.
        most: Greatest number of clips; the first ones are used.
        longest: Greatest number of frames of a clip; where all clips are longer, all are used.
        distortion: How far the clips are distorted.

    Attributes:
        frames: Greatest number of frames of a distorted clip.
        tokens: Number of ids of the longest text.

    Raises:
        DataError: There is no clip.
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
        short_enough = [i for i in range(len(source)) if source.lengths[i] <= longest]
        for index in (short_enough or range(len(source)))[:most]:
            example = source[index]
            pose, confidence = example["pose"].astype(np.float32), example["confidence"]
            frames, seen = make_frames(pose, confidence, statistics)
            # the frames once more, but a joint that is not shown has the position that the
            # recording stores for it all the same, where `frames` has 0
            carried, _ = make_frames(pose, np.ones_like(confidence), statistics)
            self._frames.append(frames[:, :-1])  # without the counter
            self._carried.append(np.clip(carried[:, :-1], -_FARTHEST, _FARTHEST))
            self._seen.append(np.repeat(seen, 3, axis=1))  # joint -> its x, y and z
            self._ids.append(tokenizer.encode(source.texts[index]))
        if not self._frames:
            raise DataError(f"{source.language}: there is no train clip to train a reader on")
        self._shown = np.repeat(statistics.seen > 0, 3)  # the joints that any train clip shows
        # in the slowest tempo, from the latest start
        self.frames = int(max(map(len, self._frames)) * distortion.tempo) + _START + 1
        self.tokens = max(map(len, self._ids))

    def batch(
        self, random: np.random.Generator, rows: int, frames: int, tokens: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draws a batch of `rows` = B clips.

        Returns:
            Frames float32 [B, frames, D - 1], lengths int32 [B] and ids int32 [B, tokens],
            0 = padding.
        """
        shape = (rows, frames, len(self._shown))
        values, length = np.zeros(shape, np.float32), np.zeros(rows, np.int32)
        ids = np.zeros((rows, tokens), np.int32)
        for row, (index, donor) in enumerate(random.integers(len(self._frames), size=(rows, 2))):
            clip = self._distorted(index, donor, random)
            values[row, : len(clip)], length[row] = clip, len(clip)
            ids[row, : len(self._ids[index])] = self._ids[index]
        return values, length, ids

    def _distorted(self, index: int, donor: int, random: np.random.Generator) -> np.ndarray:
        """Clip `index` in another tempo, with another start, noise, an offset and blank frames.

        A joint that the recording does not show in a frame (the hand that a letter does not use)
        stays missing in a third of the clips, as it is in real ones. In a third it has the position
        that the recording keeps, and in a third that of clip `donor`, moved towards the mean. A
        model may produce anything there: the text must be read from the hand that signs.
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
            guess = at(self._carried[index if way == 1 else donor])
            guess = guess * (1 if way == 1 else random.uniform())
            frames, seen = np.where(seen, frames, guess), seen | self._shown
        level, shift = random.uniform(0, (limits.noise, limits.offset)).astype(np.float32)
        frames = frames + level * random.standard_normal(frames.shape, np.float32)
        frames += shift * random.standard_normal(frames.shape[1], np.float32)
        kept = random.uniform(size=(size, 1)) >= limits.blank
        return frames * (seen & kept)
