"""Recorded letters of manual alphabets, cleaned to the short steady clips that words are made of.

The recordings are the fingerspelling lexicon of PyPI's `spoken-to-signed` (MIT): one clip a
letter, in which the hand rises, holds the letter and falls. Here every letter becomes
`LETTER_FRAMES` frames at `FPS`: the steadiest stretch of the hold, or the whole movement for the
letters that are signed with one.
"""

import csv
import dataclasses
import functools
import importlib.resources
import unicodedata
from collections.abc import Mapping
from importlib.resources.abc import Traversable

import numpy as np

from signllm_jax.core.errors import DataError, TextError
from signllm_jax.core.languages import get_language
from signllm_jax.core.skeleton import OPENPOSE50
from signllm_jax.core.wording import how_to_install
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.pose_file import read_pose_file

FPS = 25.0
LETTER_FRAMES = 12
STEADY_FRAMES = 9  # a letter without movement is this much of its recording, slowed down a little

LANGUAGES = ("asl", "gsl", "dsgs", "tsl")
"""The languages with recorded letters, in the order used everywhere. (The lexicon has more: its
`fsl` repeats American letters and its `gss` is damaged, so neither must ever be added here.)"""


@dataclasses.dataclass(frozen=True)
class _Recordings:
    """How a language's letters were filmed.

    Attributes:
        width: picture width of the original videos in pixels, which is the unit of hand depth
            (see pose_file.py). It is inferred: the usual width nearest to where bone lengths vary
            least over the letters (asl 620, gsl 640, dsgs 2140, its H I J 880, tsl 420).
        moving: units whose movement belongs to the letter.
        widths: unit -> picture width, of letters from another video source.
    """

    width: float
    moving: tuple[str, ...]
    widths: Mapping[str, float] = dataclasses.field(default_factory=dict)


_RECORDINGS = {
    "asl": _Recordings(640, ("J", "Z")),
    "gsl": _Recordings(640, ("J", "Z", "ẞ", "Ä", "Ö", "Ü")),
    "dsgs": _Recordings(1920, ("J", "Z"), {"H": 720, "I": 720, "J": 720}),
    "tsl": _Recordings(450, ("J", "Ğ", "Ş")),
}

HANDS = (("right", 4, 29), ("left", 7, 8))  # arm's wrist and the hand's first joint
BODY = (0, 1, 2, 5)  # nose, neck and shoulders, seen in every recording
BODY_DEPTH = 96.0
"""Pixels per unit of body z: one for all videos, since the lexicon's makers gave every signer the
same head and shoulders, whatever the video's width."""
FOREARM = 0.85
"""Length from elbow to wrist in shoulder widths, which gives wrists their depth."""


@dataclasses.dataclass(frozen=True)
class Letter:
    """One unit of a manual alphabet.

    Attributes:
        positions: float64 [LETTER_FRAMES, 50, 3] in shoulder widths; unseen arms rest.
        confidence: float64 [LETTER_FRAMES, 50], 0 on the joints of an arm that rests unseen.
    """

    positions: np.ndarray
    confidence: np.ndarray


def normal_case(text: str, language: str) -> str:
    """Upper case by the rules of the spoken language: Turkish i is İ and ı is I, German ß is ẞ."""
    text = unicodedata.normalize("NFC", text)
    if get_language(language).spoken == "tr":
        text = text.replace("i", "İ")
    return text.replace("ß", "ẞ").upper()


def small(text: str, language: str) -> str:
    """The inverse of `normal_case`: small letters by the rules of the spoken language."""
    if get_language(language).spoken == "tr":
        text = text.replace("İ", "i").replace("I", "ı")
    return text.lower()


@functools.cache
def recordings(iso: str) -> dict[str, Traversable]:
    """Unit as the lexicon writes it -> recording, by ISO code; raises DataError without them."""
    try:
        folder = importlib.resources.files("spoken_to_signed.assets") / "fingerspelling_lexicon"
        rows = list(csv.DictReader((folder / "index.csv").read_text("utf-8").splitlines()))
    except (ImportError, OSError):
        raise DataError(f"the recorded letters are missing: {how_to_install('demo')}") from None
    paths = {row["words"]: row["path"] for row in rows if row["signed_language"] == iso}
    return {unit: folder.joinpath(*path.split("/")) for unit, path in sorted(paths.items())}


@functools.cache
def _index(language: str) -> dict:
    """unit -> recording of `language`; raises TextError or DataError."""
    if language not in LANGUAGES:
        raise TextError(
            f"no fingerspelling is recorded for {language!r}: there is {', '.join(LANGUAGES)}"
        )
    paths = recordings(get_language(language).iso)
    return {normal_case(unit, language): path for unit, path in paths.items()}


def letters(language: str) -> tuple[str, ...]:
    """The fingerspelling units of a language in upper case, sorted, for example `A`, `SCH`.

    Raises TextError when no alphabet is recorded for the language and DataError when the
    recordings are not installed.
    """
    return tuple(sorted(_index(language)))


@functools.cache
def alphabet(language: str) -> dict[str, Letter]:
    """All letters of a language, cleaned; about a second of work, cached. Errors: `letters`."""
    filmed, cleaned = _RECORDINGS[language], {}
    for unit, path in _index(language).items():
        clip = read_pose_file(path, filmed.widths.get(unit, filmed.width), BODY_DEPTH)
        cleaned[unit] = clean(clip, unit in filmed.moving)
    return with_resting_arms(cleaned)


def clean(clip: PoseClip, moving: bool) -> Letter:
    """Cuts a recording to its letter: steady, without tracking errors, at FPS.

    Args:
        clip: the hand rises, holds the letter and falls; an arm that takes no part is not placed.
        moving: whether the letter is signed with a movement.
    """
    positions, confidence = _resample_to_fps(clip)
    active = [hand for hand in HANDS if _is_active(confidence, hand)]
    width = 3 if moving else 9  # frames of the median: a held letter is nearly still
    positions[:, BODY] = _smooth(positions[:, BODY], 9)
    span = _raised_span(positions, confidence, active)
    seen = np.zeros((LETTER_FRAMES, OPENPOSE50.size))
    seen[:, BODY] = 1
    for _, wrist, start in active:
        hand, arm = slice(start, start + 21), [wrist - 1, wrist]
        shape = _smooth(positions[:, hand] - positions[:, [start]], width)
        limbs = _with_depth(positions[:, [1, *arm]], slice(*span))
        positions[:, arm] = positions[:, [1]] + _smooth(limbs[:, 1:] - limbs[:, :1], min(width, 5))
        positions[:, hand] = positions[:, [wrist]] + shape
        seen[:, hand] = seen[:, arm] = 1
    if moving:
        begin, end = _movement(positions, active, *span)
    else:
        begin, end = _steadiest(positions, confidence, active, *span)
    times = np.linspace(begin, end - 1, LETTER_FRAMES)
    return Letter(interpolate(positions, times), seen)


def _resample_to_fps(clip: PoseClip) -> tuple[np.ndarray, np.ndarray]:
    """Positions and confidence at FPS; missing joints are interpolated from the frames around."""
    positions = clip.positions.astype(float)
    for joint, seen in enumerate(clip.observed.T):
        carry(positions, joint, seen)
    count = max(2, round((len(clip) - 1) / clip.fps * FPS) + 1)
    times = np.linspace(0, len(clip) - 1, count)
    nearest = np.round(times).astype(int)
    return interpolate(positions, times), clip.confidence[nearest].astype(float)


def carry(positions: np.ndarray, joint: int, seen: np.ndarray) -> None:
    """Moves a joint of `positions` [T, J, 3] linearly over the frames in which it is not seen."""
    moments = np.arange(len(positions))
    if seen.any() and not seen.all():
        for track in positions[:, joint].T:  # views: x, y, z over time
            track[:] = np.interp(moments, moments[seen], track[seen])


def interpolate(track: np.ndarray, times: np.ndarray) -> np.ndarray:
    """`track` [T, ...] at fractional frames `times` [N]."""
    low = np.clip(np.floor(times).astype(int), 0, max(len(track) - 2, 0))
    high = np.minimum(low + 1, len(track) - 1)
    weight = (times - low).reshape(-1, *[1] * (track.ndim - 1))
    return track[low] * (1 - weight) + track[high] * weight


def _with_depth(limbs: np.ndarray, held: slice) -> np.ndarray:
    """Neck, elbow and wrist [T, 3, 3] with the depth of the arm made anew.

    MediaPipe's depth of a body jumps by half a shoulder width within a hold. The elbow gets its
    median over the hold; the wrist is in front of it by what a forearm of constant length leaves.
    """
    limbs = limbs.copy()
    limbs[:, 1, 2] = limbs[:, 0, 2] + np.median((limbs[:, 1] - limbs[:, 0])[held, 2])
    across = ((limbs[:, 2] - limbs[:, 1])[:, :2] ** 2).sum(-1)
    limbs[:, 2, 2] = limbs[:, 1, 2] - np.sqrt(np.maximum(FOREARM**2 - across, 0.05))
    return limbs


def _is_active(confidence: np.ndarray, hand) -> bool:
    """Whether the hand takes part: seen in more than half of the middle of the recording."""
    middle = slice(len(confidence) // 4, -(len(confidence) // 4) or None)
    return bool((confidence[middle, hand[2]] > 0).mean() > 0.5)


def _raised_span(positions, confidence, active) -> tuple[int, int]:
    """Frames from the end of the hands' rise to the start of their fall."""
    begin, end = 0, len(positions)
    for _, wrist, start in active:
        seen = np.flatnonzero(confidence[:, start] > 0)
        height = -positions[:, wrist, 1]
        up = height > (height.max() + height[seen].min()) / 2
        first, last = np.flatnonzero(up & (confidence[:, start] > 0))[[0, -1]]
        speed = np.diff(height)
        limit = 0.2 * np.abs(speed).max()
        while first < last - LETTER_FRAMES // 2 and speed[first] > limit:
            first += 1
        while last > first + LETTER_FRAMES // 2 and -speed[last - 1] > limit:
            last -= 1
        if end - begin > LETTER_FRAMES // 2:
            begin, end = max(begin, first), min(end, last + 1)
    return begin, end


def _smooth(track: np.ndarray, width: int) -> np.ndarray:
    """Median over `width` frames, which drops tracking errors, then [1 4 6 4 1] / 16."""

    def windows(values, size):
        padded = np.pad(values, ((size // 2, size // 2), (0, 0), (0, 0)), mode="edge")
        return np.lib.stride_tricks.sliding_window_view(padded, size, axis=0)

    median = np.median(windows(track, width), axis=-1)
    return windows(median, 5) @ (np.array([1, 4, 6, 4, 1]) / 16)


def _speed(positions, active) -> np.ndarray:
    """Mean speed [T - 1] of the signing hands' joints, shoulder widths a frame."""
    joints = [joint for _, _, start in active for joint in range(start, start + 21)]
    return np.linalg.norm(np.diff(positions[:, joints], axis=0), axis=-1).mean(-1)


def _steadiest(positions, confidence, active, begin, end) -> tuple[int, int]:
    """The STEADY_FRAMES frames of the span with the least motion and all its hands in sight."""
    count = min(STEADY_FRAMES, end - begin)
    speed = _speed(positions, active)
    unseen = (confidence[:, [start for _, _, start in active]] == 0).sum(axis=1)
    costs = [
        speed[first : first + count - 1].sum() + unseen[first : first + count].sum()
        for first in range(begin, end - count + 1)
    ]
    first = begin + int(np.argmin(costs))
    return first, first + count


def _movement(positions, active, begin, end) -> tuple[int, int]:
    """The span without the stillness after its movement, of which a few frames are kept."""
    speed = _speed(positions, active)
    moves = np.flatnonzero(speed[begin : end - 1] > 0.25 * speed[begin : end - 1].max())
    last = begin + int(moves[-1]) + 1 if len(moves) else end - 1
    return begin, min(end, max(last + 3, begin + LETTER_FRAMES))


def with_resting_arms(cleaned: dict[str, Letter]) -> dict[str, Letter]:
    """Gives arms that take no part a constant place: hanging, the hand relaxed."""
    for letter in cleaned.values():
        for side, wrist, start in HANDS:
            if not letter.confidence[0, wrist]:
                arm = [wrist - 1, wrist, *range(start, start + 21)]
                letter.positions[:, arm] = letter.positions[:, [wrist - 2]] + _resting_arm(side)
    return cleaned


def _resting_arm(side: str) -> np.ndarray:
    """[23, 3]: elbow, wrist and 21 hand joints below the shoulder, in shoulder widths."""
    outward = -1.0 if side == "right" else 1.0
    elbow = np.array([0.2 * outward, 0.8, 0.0])
    wrist = elbow + (0.02 * outward, 0.75, -0.15)
    fingers = [wrist]
    for spread in (-0.12, -0.06, -0.02, 0.02, 0.06):  # the thumb in front
        knuckle = wrist + (0.0, 0.12 if spread < -0.1 else 0.22, spread)
        bend = np.array([-0.01 * outward, 0.065, -0.012])
        fingers += [knuckle + part * bend for part in range(4)]
    return np.stack([elbow, *fingers[:1], *fingers])
