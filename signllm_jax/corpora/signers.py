"""Manual alphabets by several signers whose letters share a shape.

The lexicon has the 26 Latin letters in 16 alphabets, each by a signer of its own. The takes of a
letter that look alike, those near its medoid, make a family. Eight signers have most of their
letters in the families. A letter that such a signer lacks is taken from the family and moved to the
signer's own body: hand, size of the hand and place. The result is thus the family of shapes that
American Sign Language shares, and not any one alphabet.
"""

import dataclasses
import functools
import itertools
import random
from collections.abc import Mapping

import numpy as np

from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.corpora import letters
from signllm_jax.corpora.letters import BODY, BODY_DEPTH, HANDS, LETTER_FRAMES, Letter
from signllm_jax.poses.pose_file import read_pose_file

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
SIGNERS = ("ase", "asq", "gsg", "mfs", "sgg", "bzs", "svk", "ise")
"""ISO codes of the alphabets whose signers are trained on; `ise` signs with the left hand."""
UNSEEN = ("lls", "ssp")
"""Signers that are never trained on."""
NEAR = 0.45
"""Largest RMS distance to a family's medoid, in sizes of the hand in the picture plane."""
_OTHERS = ("cse", "csq", "eso", "psr", "swl", "tsm")
_MOVING = ("J", "Z")
_WIDTH = {"sgg": 1920.0, "tsm": 450.0}
"""Width of the original videos in pixels where it is not 640: see `letters._Recordings`."""
_MIRROR = list(OPENPOSE50.mirror)


@dataclasses.dataclass(frozen=True)
class Take:
    """One signer's letter.

    Attributes:
        letter: the letter as recorded.
        hand: the hand that signs, 0 = right, 1 = left.
    """

    letter: Letter
    hand: int

    def of_hand(self, hand: int) -> Letter:
        """The letter, mirrored where it is signed with the other hand."""
        if hand == self.hand:
            return self.letter
        positions = self.letter.positions[:, _MIRROR] * [-1.0, 1.0, 1.0]
        return Letter(positions, self.letter.confidence[:, _MIRROR])

    @property
    def shape(self) -> np.ndarray:
        """The right hand [21, 2] in the middle of the letter, in sizes of the hand."""
        hand = _hand(self.of_hand(0).positions[LETTER_FRAMES // 2], 0)[:, :2]
        return hand / _size(hand)


@dataclasses.dataclass(frozen=True)
class _Build:
    """A signer's body: medians over the middle frames of letters signed with one hand.

    Positions and sizes are in shoulder widths.

    Attributes:
        body: [4, 3], positions of the joints BODY.
        elbow: [3], position of the elbow of the arm that signs.
        wrist: [3], position of its wrist.
        size: size of its hand, see `_size`.
    """

    body: np.ndarray
    elbow: np.ndarray
    wrist: np.ndarray
    size: float


@functools.cache
def takes() -> dict[str, dict[str, Take]]:
    """Letter -> signer -> take, of all that sign it with one hand; about two seconds, cached.

    Raises DataError when the recordings are not installed.
    """
    recorded: dict[str, dict[str, Take]] = {letter: {} for letter in LETTERS}
    for signer in (*SIGNERS, *UNSEEN, *_OTHERS):
        for unit, path in letters.recordings(signer).items():
            if unit.upper() in recorded:
                clip = read_pose_file(path, _WIDTH.get(signer, 640.0), BODY_DEPTH)
                letter = letters.clean(clip, unit.upper() in _MOVING)
                active = [i for i, (_, wrist, _) in enumerate(HANDS) if letter.confidence[0, wrist]]
                if len(active) == 1:
                    recorded[unit.upper()][signer] = Take(letter, active[0])
    return recorded


@functools.cache
def families() -> dict[str, dict[str, Take]]:
    """Letter -> signer -> take, of those near the letter's medoid; errors as in `takes`."""
    return {letter: _family(by_signer) for letter, by_signer in takes().items()}


def _family(by_signer: Mapping[str, Take]) -> dict[str, Take]:
    shapes = np.stack([take.shape for take in by_signer.values()])
    distances = np.sqrt(((shapes[:, None] - shapes) ** 2).sum(-1).mean(-1))
    near = distances[distances.sum(1).argmin()] <= NEAR
    return dict(itertools.compress(by_signer.items(), near))


def own_letters(signer: str) -> tuple[str, ...]:
    """The letters that a signer has in the families, sorted."""
    return tuple(letter for letter, family in families().items() if signer in family)


@functools.cache
def signer_alphabet(signer: str) -> dict[str, Letter]:
    """A to Z in a signer's hand: own letters, and borrowed ones moved to the signer's body.

    Nothing is borrowed of UNSEEN. Errors as in `takes`.
    """
    hand = families()[own_letters(signer)[0]][signer].hand
    build = _build(families(), signer, hand)
    alphabet = {}
    for letter, family in families().items():
        if signer in family:
            alphabet[letter] = family[signer].of_hand(hand)
        else:
            donors = sorted(set(family) - set(UNSEEN))
            draw = random.Random(f"{signer} {letter}").random()
            donor = donors[int(draw * len(donors))]
            alphabet[letter] = _moved(family[donor], hand, build, _build(takes(), donor, hand))
    return letters.with_resting_arms(alphabet)


def _build(takes: Mapping[str, Mapping[str, Take]], signer: str, hand: int) -> _Build:
    """Medians over a signer's letters in `takes`, mirrored where another hand than `hand` signs."""
    signed = (signers[signer] for signers in takes.values() if signer in signers)
    middle = np.stack([take.of_hand(hand).positions[LETTER_FRAMES // 2] for take in signed])
    _, wrist, _ = HANDS[hand]
    return _Build(
        body=np.median(middle[:, BODY], 0),
        elbow=np.median(middle[:, wrist - 1], 0),
        wrist=np.median(middle[:, wrist], 0),
        size=float(np.median([_size(_hand(frame, hand)[:, :2]) for frame in middle])),
    )


def _moved(take: Take, hand: int, build: _Build, donor: _Build) -> Letter:
    """The letter of a donor on another body; shape, movement and place of the hand stay."""
    letter = take.of_hand(hand)
    _, wrist, start = HANDS[hand]
    positions = letter.positions.copy()
    shape = positions[:, start : start + 21] - positions[:, [start]]
    positions[:, BODY] = build.body
    positions[:, wrist - 1] += build.elbow - donor.elbow
    positions[:, wrist] += build.wrist - donor.wrist
    positions[:, start : start + 21] = positions[:, [wrist]] + shape * (build.size / donor.size)
    return Letter(positions, letter.confidence)


def _hand(frame: np.ndarray, hand: int) -> np.ndarray:
    """[21, 3] of a frame [J, 3], relative to the hand's wrist."""
    start = HANDS[hand][2]
    return frame[start : start + 21] - frame[start]


def _size(hand: np.ndarray) -> float:
    """The RMS distance of the joints [21, 2] from the wrist."""
    return float(np.sqrt((hand**2).sum(-1).mean()))
