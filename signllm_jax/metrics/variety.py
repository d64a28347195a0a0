"""How varied productions are, compared with several real takes of each text.

Productions are compared with the real takes of their texts: clip i is a production of text i, and a
text that is listed several times has several takes and as many productions. The clips that take
part in a mean are chosen evenly and without chance, so the same clips give the same figures.
"""

import dataclasses
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from signllm_jax.metrics.dtw import dtw_distance
from signllm_jax.metrics.hands import hand_use
from signllm_jax.metrics.pairs import batches, rounded_lengths
from signllm_jax.poses.clip import PoseClip

MOST = 4
"""Greatest number of takes of a text that are compared with each other."""
TEXTS = 60
"""Greatest number of texts that are compared."""
Indices = tuple[int, int]
Key = TypeVar("Key", bound=Hashable)


def places_of(texts: Iterable[Key]) -> dict[Key, list[int]]:
    """Text -> the indices of its clips."""
    places: dict[Key, list[int]] = {}
    for index, text in enumerate(texts):
        places.setdefault(text, []).append(index)
    return places


def distances(
    pairs: Sequence[Indices],
    references: Sequence[PoseClip],
    clips: Sequence[PoseClip],
    moving: bool = True,
) -> Float[np.ndarray, " N"]:
    """The DTW distance of each pair, float64, in shoulder widths.

    Pairs of similar lengths share a padded shape, so that the cost of short clips stays small.

    Args:
        pairs: N indices of a reference and of a clip to compare with it.
        references: Any number of clips.
        clips: Any number of clips.
        moving: Whether joints that never move in the reference are left out (`dtw_distance`).
    """
    sides = [references[i] for i, _ in pairs], [clips[j] for _, j in pairs]
    values = np.full(len(pairs), np.nan)
    for chosen, batch in batches(*sides, rounded_lengths(*sides)):
        scores = dtw_distance(*batch[:3], batch.n, batch.m, batch.produced_observed, moving)
        values[chosen] = np.asarray(scores)[: len(chosen)]
    return values


def _groups(texts: Sequence[str], least: int = 2) -> list[list[int]]:
    """The indices of the clips of each text that has at least `least` of them.

    At most `MOST` clips per text and `TEXTS` texts, chosen evenly.
    """
    groups = [places for places in places_of(texts).values() if len(places) >= least]
    return [_evenly(places, MOST) for places in _evenly(groups, TEXTS)]


def _evenly(values: Sequence, most: int) -> list:
    chosen = np.linspace(0, len(values) - 1, min(len(values), most)).astype(int)
    return [values[i] for i in chosen]


def _mean(values: Iterable[float] | Float[np.ndarray, " N"]) -> float:
    """The mean of the finite values, NaN of none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def diversity(texts: Sequence[str], clips: Sequence[PoseClip]) -> float:
    """The mean distance between two clips of one text, over texts with several, in shoulder widths.

    0 where all clips of a text are the same; NaN where no text has two. Joints that do not move
    count here, and a joint that one of the two clips hides does not.
    """
    pairs = [(i, j) for group in _groups(texts) for k, i in enumerate(group) for j in group[:k]]
    values = distances(pairs, clips, clips, moving=False)
    return _mean(_mean(values[rows]) for rows in places_of(texts[i] for i, _ in pairs).values())


def expected_and_best(
    texts: Sequence[str], references: Sequence[PoseClip], clips: Sequence[PoseClip]
) -> tuple[float, float]:
    """How far productions are from real takes of their text: all of them, and the nearest one.

    A clip is not compared with itself, so that real takes can be compared with each other.

    Returns:
        The mean DTW distance of a take to a production of its text, and the mean over takes of the
        smallest one; in shoulder widths, NaN where there is no pair.
    """
    groups = _groups(texts, 1)
    pairs = [
        (i, j) for group in groups for i in group for j in group if references[i] is not clips[j]
    ]
    values = distances(pairs, references, clips)
    takes = places_of(i for i, _ in pairs).values()
    best = (np.fmin.reduce(values[rows]) for rows in takes)  # passes over NaN
    return _mean(values), _mean(best)


def taus(
    texts: Sequence[str],
    references: Sequence[PoseClip],
    clips: Sequence[PoseClip],
    real: Mapping[str, float],
) -> dict[str, float]:
    """Whether the text decides how a clip begins, what it is, and that it is the right one.

    Our reading of the three levels of Hong and Kosecka, Conditional Collapse in Sign Language
    Production, arXiv 2606.01643, which has no code and measures in a latent space of its own; here
    distances are those of `placeless` clips, or a signer's place in the picture would weigh more
    than what is signed. Each clip is paired with one of another text.

    Args:
        texts: N texts, each as often as it has takes.
        references: N real takes.
        clips: N productions.
        real: `spread_of_texts` of the real takes.

    Returns:
        `tau1`, initial pose: the mean distance between the first poses of two productions of
        different texts, by that of real clips; 0 where all begin alike. `tau2`, output diversity:
        the mean DTW distance between such productions, by that of real clips; 0 where all texts
        give one clip. `tau3`, faithfulness: the mean DTW distance of a production to a take of
        another text by that to another take of its own; 1 where the text is ignored. NaN where
        one has no meaning.
    """
    made = spread_of_texts(texts, clips)
    pairs = _other_texts(texts)
    moved = {id(clip): placeless(clip) for clip in (*references, *clips)}
    references, clips = ([moved[id(clip)] for clip in row] for row in (references, clips))
    same_text, _ = expected_and_best(texts, references, clips)
    return {
        "tau1": _ratio(made["first_poses"], real["first_poses"]),
        "tau2": _ratio(made["other_texts"], real["other_texts"]),
        "tau3": _ratio(_mean(distances(pairs, references, clips)), same_text),
    }


def spread_of_texts(texts: Sequence[str], clips: Sequence[PoseClip]) -> dict[str, float]:
    """How far `placeless` clips of different texts are apart, in shoulder widths.

    Returns:
        `first_poses`, the mean distance of their first poses, and `other_texts`, the mean DTW
        distance; NaN where there is one text only.
    """
    pairs = _other_texts(texts)
    moved = [placeless(clip) for clip in clips]
    return {
        "first_poses": _mean(_pose_distance(moved[i], moved[j]) for i, j in pairs),
        "other_texts": _mean(distances(pairs, moved, moved, moving=False)),
    }


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else float("nan")


def placeless(clip: PoseClip) -> PoseClip:
    """The clip with hand joints relative to their root, and body joints to their mean positions."""
    positions, observed = clip.positions.copy(), clip.observed[..., None]
    for side in ("left", "right"):
        hand = list(clip.skeleton.groups[f"{side}_hand"])
        positions[:, hand] = clip.positions[:, hand] - clip.positions[:, hand[:1]]
    body = list(clip.skeleton.groups["body"])
    seen = observed[:, body]
    mean = (clip.positions[:, body] * seen).sum(0) / np.maximum(seen.sum(0), 1)
    positions[:, body] = clip.positions[:, body] - mean
    return dataclasses.replace(clip, positions=np.where(observed, positions, 0))


def _other_texts(texts: Sequence[str]) -> list[Indices]:
    """Indices of two clips of different texts: each text's clips with those of the next texts."""
    groups = _groups(texts, 1)
    pairs = []
    for g, group in enumerate(groups if len(groups) > 1 else ()):
        for k, i in enumerate(group):
            partners = groups[(g + 1 + k % (len(groups) - 1)) % len(groups)]
            pairs.append((i, partners[k % len(partners)]))
    return pairs


def _pose_distance(first: PoseClip, second: PoseClip) -> float:
    """The mean distance between the joints that both first frames show."""
    if not (len(first) and len(second)):
        return float("nan")
    both = first.observed[0] & second.observed[0]
    return _mean(np.linalg.norm(first.positions[0] - second.positions[0], axis=-1)[both])


def temporal_deviation(clips: Iterable[PoseClip]) -> float:
    """The deviation of a joint's position over a clip's time (tstd), in shoulder widths.

    The root of the summed variances of x, y and z, over the frames that show the joint; the mean
    over the joints that are shown at least twice, then over clips.
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
    """All figures of this module for the productions of a row of a report.

    Args:
        texts: N texts, each as often as it has takes.
        references: N real takes.
        clips: N productions.
        real: `real_variety` of the takes, where it is known already.

    Returns:
        `dtw_expected`, `dtw_best`, `diversity_ratio` (by that of the takes), `tstd_ratio`, those of
        `taus` and of `hand_use`; what has no meaning is absent.
    """
    real = real or real_variety(texts, references)
    expected, best = expected_and_best(texts, references, clips)
    figures = {
        "dtw_expected": expected,
        "dtw_best": best,
        "diversity_ratio": _ratio(diversity(texts, clips), real["diversity"]),
        "tstd_ratio": _ratio(temporal_deviation(clips), real["tstd"]),
        **taus(texts, references, clips, real),
    }
    kept = {name: value for name, value in figures.items() if np.isfinite(value)}
    return kept | hand_use(texts, references, clips)


def real_variety(texts: Sequence[str], references: Sequence[PoseClip]) -> dict[str, float]:
    """The figures of the real takes, by which those of all rows are divided.

    Returns:
        `diversity`, `tstd` and those of `spread_of_texts`.
    """
    return {
        "diversity": diversity(texts, references),
        "tstd": temporal_deviation(references),
        **spread_of_texts(texts, references),
    }
