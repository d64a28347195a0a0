"""How varied productions are beside several real takes of a text.

A row of clips is held against the real takes of its texts: clip i is a production of text i, and a
text that stands there several times has several takes and as many productions. What takes part in
a mean is drawn evenly and without chance, so the same clips give the same figures.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import jax
import numpy as np

from signllm_jax.core.typing import Array
from signllm_jax.metrics.dtw import dtw_distance
from signllm_jax.metrics.hands import hand_use
from signllm_jax.metrics.pairs import Pairs, pad_pairs
from signllm_jax.poses.clip import PoseClip

MOST = 4
"""Greatest number of takes of a text that are compared with each other."""
TEXTS = 60
"""Greatest number of texts that are compared."""
_BATCH, _MULTIPLE = 16, 64
Places = tuple[int, int]


def places_of(texts: Sequence[str]) -> dict[str, list[int]]:
    """Text -> the places of its clips."""
    found: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        found.setdefault(text, []).append(place)
    return found


@partial(jax.jit, static_argnames="moving")
def _distances(pairs: Pairs, moving: bool) -> Array:
    both = (pairs.reference, pairs.observed, pairs.produced, pairs.n, pairs.m)
    return dtw_distance(*both, pairs.produced_observed, moving)


def distances(
    references: Sequence[PoseClip], produced: Sequence[PoseClip], moving: bool = True
) -> np.ndarray:
    """The DTW distance of each pair, float64 [N], in shoulder widths.

    Pairs of like length share a padded shape, so that short clips do not cost what long ones do.

    Args:
        references: N clips.
        produced: N clips.
        moving: whether joints that never move in the reference are left out (`dtw_distance`).
    """
    shapes: dict[int, list[int]] = {}
    for place, pair in enumerate(zip(references, produced, strict=True)):
        longest = max(1, *map(len, pair))
        shapes.setdefault(-(-longest // _MULTIPLE) * _MULTIPLE, []).append(place)
    found = np.full(len(references), np.nan)
    for frames, places in shapes.items():
        for start in range(0, len(places), _BATCH):
            chosen = places[start : start + _BATCH]
            padded = chosen + [chosen[-1]] * (_BATCH - len(chosen))
            pairs = pad_pairs(
                [references[i] for i in padded], [produced[i] for i in padded], frames
            )
            found[chosen] = np.asarray(_distances(pairs, moving))[: len(chosen)]
    return found


def _groups(texts: Sequence[str], least: int = 2) -> list[list[int]]:
    """The places of each text that has so many clips at least, both thinned out evenly."""
    groups = [places for places in places_of(texts).values() if len(places) >= least]
    return [_evenly(places, MOST) for places in _evenly(groups, TEXTS)]


def _evenly(values: Sequence, most: int) -> list:
    chosen = np.linspace(0, len(values) - 1, min(len(values), most)).astype(int)
    return [values[i] for i in chosen]


def _mean(values: Iterable[float]) -> float:
    """The mean of the finite values, NaN of none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def diversity(texts: Sequence[str], clips: Sequence[PoseClip]) -> float:
    """The mean distance between two clips of one text, over texts with several, in shoulder widths.

    0 where a text has one clip over and over; NaN where no text has two. Joints that do not move
    count here, and a joint that one of both clips hides does not.
    """
    groups = _groups(texts)
    pairs = [(i, j) for group in groups for k, i in enumerate(group) for j in group[:k]]
    found = iter(distances(*_clips(pairs, clips, clips), moving=False) if pairs else ())
    means = [_mean([next(found) for _ in range(len(g) * (len(g) - 1) // 2)]) for g in groups]
    return _mean(means)


def _clips(pairs: Sequence[Places], first: Sequence[PoseClip], second: Sequence[PoseClip]):
    return [first[i] for i, _ in pairs], [second[j] for _, j in pairs]


def expected_and_best(
    texts: Sequence[str], references: Sequence[PoseClip], clips: Sequence[PoseClip]
) -> tuple[float, float]:
    """How far productions are from real takes of their text: all of them, and the nearest one.

    A clip is not compared with itself, so that real takes can be held against each other.

    Returns:
        The mean DTW distance of a take to a production of its text, and the mean over takes of the
        least one; in shoulder widths, NaN where there is no pair.
    """
    groups = _groups(texts, 1)
    pairs = [
        (i, j) for group in groups for i in group for j in group if references[i] is not clips[j]
    ]
    if not pairs:
        return float("nan"), float("nan")
    by_take: dict[int, list[float]] = {}
    for (i, _), value in zip(pairs, distances(*_clips(pairs, references, clips)), strict=True):
        by_take.setdefault(i, []).append(value)
    finite = [[v for v in own if np.isfinite(v)] for own in by_take.values()]
    return _mean(v for own in finite for v in own), _mean(min(own) for own in finite if own)


def taus(
    texts: Sequence[str],
    references: Sequence[PoseClip],
    clips: Sequence[PoseClip],
    real: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Whether the text decides how a clip begins, what it is, and that it is the right one.

    Our reading of the three levels of Hong and Kosecka, Conditional Collapse in Sign Language
    Production, arXiv 2606.01643, which has no code and measures in a latent space of its own; here
    distances are those of `placeless` clips, or a signer's place in the picture would weigh more
    than what is signed. Each clip is paired with one of another text.

    Returns:
        `tau1`, initial pose: the mean distance between the first poses of two productions of
        different texts, by that of real clips; 0 where all begin alike. `tau2`, output diversity:
        the mean DTW distance between such productions, by that of real clips; 0 where all texts
        give one clip. `tau3`, faithfulness: the mean DTW distance of a production to a take of
        another text by that to another take of its own; 1 where the text is ignored. What has no
        meaning is absent.
    """
    real = real or spread_of_texts(texts, references)
    made = spread_of_texts(texts, clips)
    pairs = _other_texts(texts)
    moved = {id(clip): placeless(clip) for clip in (*references, *clips)}
    references, clips = ([moved[id(clip)] for clip in row] for row in (references, clips))
    away = _mean(distances(*_clips(pairs, references, clips)))
    own, _ = expected_and_best(texts, references, clips)
    found = {
        "tau1": _ratio(made["first_poses"], real["first_poses"]),
        "tau2": _ratio(made["other_texts"], real["other_texts"]),
        "tau3": _ratio(away, own),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def spread_of_texts(texts: Sequence[str], clips: Sequence[PoseClip]) -> dict[str, float]:
    """How far `placeless` clips of different texts are apart, in shoulder widths.

    Returns:
        `first_poses`, the mean distance of their first poses, and `other_texts`, the mean DTW
        distance; NaN where there is one text only.
    """
    pairs = _other_texts(texts)
    moved = [placeless(clip) for clip in clips]
    both = _clips(pairs, moved, moved)
    return {
        "first_poses": _mean(map(_pose_distance, *both)),
        "other_texts": _mean(distances(*both, moving=False)),
    }


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else float("nan")


def placeless(clip: PoseClip) -> PoseClip:
    """The clip with each hand relative to its root, and the body's joints to their mean places."""
    positions, observed = clip.positions.copy(), clip.observed[..., None]
    for side in ("left", "right"):
        hand = list(clip.skeleton.groups[f"{side}_hand"])
        positions[:, hand] = clip.positions[:, hand] - clip.positions[:, hand[:1]]
    body = list(clip.skeleton.groups["body"])
    seen = observed[:, body]
    mean = (clip.positions[:, body] * seen).sum(0) / np.maximum(seen.sum(0), 1)
    positions[:, body] = clip.positions[:, body] - mean
    return dataclasses.replace(clip, positions=np.where(observed, positions, 0))


def _other_texts(texts: Sequence[str]) -> list[Places]:
    """Places of two clips of different texts: every text's clips with those of the next texts."""
    groups = _groups(texts, 1)
    if len(groups) < 2:
        return []
    return [
        (i, other[k % len(other)])
        for g, group in enumerate(groups)
        for k, i in enumerate(group)
        for other in [groups[(g + 1 + k % (len(groups) - 1)) % len(groups)]]
    ]


def _pose_distance(first: PoseClip, second: PoseClip) -> float:
    """The mean distance between the joints that both first frames show."""
    if not (len(first) and len(second)):
        return float("nan")
    both = first.observed[0] & second.observed[0]
    return _mean(np.linalg.norm(first.positions[0] - second.positions[0], axis=-1)[both])


def temporal_deviation(clips: Iterable[PoseClip]) -> float:
    """The deviation of a joint's position over a clip's time (tstd), in shoulder widths.

    The root of the summed variances of x, y and z, over the frames that show the joint; the mean
    over the joints that are shown twice at least, then over clips.
    """
    return _mean(_deviation(clip) for clip in clips)


def _deviation(clip: PoseClip) -> float:
    seen = clip.observed[..., None]
    count = np.maximum(seen.sum(0), 1)
    mean = np.where(seen, clip.positions, 0).sum(0) / count
    variance = (np.where(seen, clip.positions - mean, 0) ** 2).sum(0) / count
    return _mean(np.sqrt(variance.sum(-1))[seen.sum(0)[:, 0] > 1])


def variety(
    texts: Sequence[str],
    references: Sequence[PoseClip],
    clips: Sequence[PoseClip],
    real: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """All figures of this page of a row.

    Args:
        texts: N texts, each as often as it has takes.
        references: N real takes.
        clips: N productions.
        real: what `real_variety` gives of the takes, where it is known already.

    Returns:
        `dtw_expected`, `dtw_best`, `diversity_ratio` (by that of the takes), `tstd_ratio`, those of
        `taus` and of `hand_use`; what has no meaning is absent.
    """
    real = real or real_variety(texts, references)
    expected, best = expected_and_best(texts, references, clips)
    found = {"dtw_expected": expected, "dtw_best": best}
    for name, made in (
        ("diversity", diversity(texts, clips)),
        ("tstd", temporal_deviation(clips)),
    ):
        found[f"{name}_ratio"] = _ratio(made, real[name])
    found |= taus(texts, references, clips, real)
    kept = {name: value for name, value in found.items() if np.isfinite(value)}
    return kept | hand_use(texts, references, clips)


def real_variety(texts: Sequence[str], references: Sequence[PoseClip]) -> dict[str, float]:
    """What figures of all rows are held against: the real takes' own.

    Returns:
        `diversity`, `tstd` and those of `spread_of_texts`.
    """
    return {
        "diversity": diversity(texts, references),
        "tstd": temporal_deviation(references),
    } | spread_of_texts(texts, references)
