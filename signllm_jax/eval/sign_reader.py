"""A recognizer of signs in sentences: a CTC reader whose ids are glosses.

It is the network of `back_translate` with a view of about one sign. It gives the signs of a clip
and the frames at which one sign ends and the next begins.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from signllm_jax.core.errors import TextError
from signllm_jax.core.storage import AnyPath
from signllm_jax.data.examples import Clips
from signllm_jax.eval.back_translate import (
    Reader,
    ReaderConfig,
    load_reader,
    save_reader,
    train_reader,
)
from signllm_jax.eval.reader_clips import Distortion
from signllm_jax.models.back_translation import BLANK, PoseReader, greedy
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import Statistics
from signllm_jax.text.tokenizer import UNKNOWN

SIGN_READER = ReaderConfig(
    steps=600,
    layers=4,
    frames=320,
    distortion=Distortion(noise=0.4, offset=0.4, blank=0.05, tempo=1.25),
)
"""Training of the recognizer: signers, cameras and tempo vary more than in letters."""


class GlossTable:
    """Glosses <-> ids, with the methods of a `Tokenizer`; 0 is CTC's blank, 1 an unknown gloss."""

    def __init__(self, glosses: Iterable[str]):
        self.glosses = tuple(sorted(set(glosses)))
        self._ids = {gloss: index for index, gloss in enumerate(self.glosses, UNKNOWN + 1)}
        self.model = hashlib.sha256("\n".join(self.glosses).encode()).digest()

    @property
    def size(self) -> int:
        """Number of ids in use."""
        return len(self.glosses) + UNKNOWN + 1

    def encode(self, line: str) -> list[int]:
        """The ids of the glosses of a line; raises TextError for a gloss that it lacks."""
        try:
            return [self._ids[gloss] for gloss in line.split()]
        except KeyError as error:
            raise TextError(f"no gloss {error.args[0]!r} in the sentences of train") from None

    def decode(self, ids: Sequence[int]) -> str:
        """The glosses of ids, with spaces between them."""
        return " ".join(self.glosses[id_ - UNKNOWN - 1] for id_ in ids)


class _GlossLines:
    """A split whose texts are its lines of gloss."""

    def __init__(self, source: Clips):
        self._source = source
        self.language, self.lengths = source.language, source.lengths
        self.texts = [" ".join(glosses) for glosses in source.units]

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> dict:
        return self._source[index]


@dataclasses.dataclass(frozen=True)
class Signs:
    """The signs that are read from a clip.

    Attributes:
        glosses: Glosses of the signs.
        borders: Frame between each two successive signs.
    """

    glosses: tuple[str, ...]
    borders: tuple[int, ...]


class SignReader:
    """A trained recognizer of the signs of one language.

    Args:
        reader: Reader of one language, with a `GlossTable` for a tokenizer.
    """

    def __init__(self, reader: Reader):
        self._reader = reader
        self.cpu_seconds = reader.cpu_seconds

    def read(self, clips: Sequence[PoseClip]) -> list[Signs]:
        """The signs of every clip by the best CTC path; nothing but the clips is looked at."""
        signs = []
        for logits in self._reader.scores(0, clips):
            (ids,) = greedy(logits[None], np.zeros((1, len(logits))))
            glosses = self._reader.tokenizers[0].decode(ids).split()
            borders = sign_borders(logits.argmax(-1), PoseReader.stride)
            signs.append(Signs(tuple(glosses), borders))
        return signs


def sign_borders(ids: np.ndarray, stride: int) -> tuple[int, ...]:
    """The frames between each two successive signs of a CTC path.

    Args:
        ids: Ids of the best path, int [steps].
        stride: Number of frames per step.

    Returns:
        The frame halfway from the last step of a sign to the first one of the next.
    """
    begins = np.flatnonzero((np.diff(ids, prepend=BLANK) != 0) & (ids != BLANK))
    ends = np.flatnonzero((np.diff(ids, append=BLANK) != 0) & (ids != BLANK))
    return tuple((end + begin + 1) * stride // 2 for end, begin in zip(ends[:-1], begins[1:]))


def train_sign_reader(
    train: Clips, statistics: Statistics, folder: AnyPath, config: ReaderConfig = SIGN_READER
) -> SignReader:
    """The recognizer that a folder holds, or one that is trained on real clips and saved there.

    Args:
        train: Train split.
        statistics: Statistics of its clips.
        folder: Folder of the recognizer.
        config: How it is trained.
    """
    table = GlossTable(itertools.chain(*train.units))
    reader = load_reader(folder, (train.language,), [table], [statistics], config)
    if reader is None:
        reader = train_reader([_GlossLines(train)], [table], [statistics], config)
        save_reader(folder, reader)
    return SignReader(reader)
