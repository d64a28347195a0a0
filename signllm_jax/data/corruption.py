"""A train split with damaged clips, to test whether training detects them.

The damage depends only on seed, language and share. It is not marked in the examples; `labels`
tells it to a study.
"""

import numpy as np

from signllm_jax.core.config import DataConfig
from signllm_jax.core.languages import get_language
from signllm_jax.core.skeleton import get_layout
from signllm_jax.data import splits
from signllm_jax.data.splits import Source
from signllm_jax.poses.clip import PoseClip

KINDS = ("clean", "wrong_word", "frozen_hands", "noise")
NOISE = 0.15
"""Standard deviation of heavy noise in shoulder widths: more than the size of a fist."""


def labels(language: str, count: int, share: float, seed: int) -> np.ndarray:
    """The kind of every example of a train split, int64 [count], indices of KINDS.

    The damaged share has equal numbers of each kind of damage.
    """
    kinds = np.zeros(count, np.int64)
    damaged = _random(language, seed).permutation(count)[: round(share * count)]
    kinds[damaged] = 1 + np.arange(len(damaged)) % (len(KINDS) - 1)
    return kinds


def _random(language, seed, *more):
    return np.random.default_rng([seed, get_language(language).stable_hash, *more])


class Corrupted(Source):
    """A train split with a share of damaged clips: a wrong word, frozen hands or heavy noise.

    Args:
        clean: Undamaged split.
        share: Share of damaged clips, 0 to 1.
        seed: Random seed of the damage.
    """

    def __init__(self, clean: Source, share: float, seed: int):
        self.__dict__.update(clean.__dict__)
        self._clean, self._seed = clean, seed
        self._kinds = labels(clean.language, len(clean), share, seed)
        wrong = np.flatnonzero(self._kinds == KINDS.index("wrong_word"))
        self._donor = dict(zip(wrong.tolist(), np.roll(wrong, 1).tolist()))
        donor = [self._donor.get(index, index) for index in range(len(clean))]
        self.texts = [clean.texts[index] for index in donor]
        self.units = [clean.units[index] for index in donor]

    def __getitem__(self, index: int) -> dict:
        """See Source."""
        example = self._clean[index]
        index = int(index) % len(self)
        kind = KINDS[self._kinds[index]]
        if kind == "wrong_word":
            donor = self._clean[self._donor[index]]
            return example | {key: donor[key] for key in ("text", "prompt", "gloss")}
        pose = example["pose"].astype(np.float32)
        if kind == "frozen_hands":
            layout = get_layout(PoseClip.layout)
            for side in ("left", "right"):
                hand, wrist = list(layout.groups[f"{side}_hand"]), layout.index(f"{side}_wrist")
                pose[:, hand] = pose[:, wrist, None] + pose[:1, hand] - pose[:1, wrist, None]
        elif kind == "noise":
            pose += _random(self.language, self._seed, index).normal(0, NOISE, pose.shape)
        return example | {"pose": pose.astype(np.float16)}


def open_train(config: DataConfig, language: str) -> Source:
    """The train split of a run, damaged according to `config.corrupt`; errors as `open_split`."""
    clean = splits.open_split(config.dataset, language, "train", config.data_dir)
    return Corrupted(clean, config.corrupt, config.corrupt_seed) if config.corrupt else clean
