"""Frechet distance between produced and real poses, on a stated embedding."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from signllm_jax.core.errors import DataError
from signllm_jax.poses.clip import PoseClip

_SECONDS = 0.1  # gives velocities about the spread of positions


def frechet_distance(first: Float[np.ndarray, "..."], second: Float[np.ndarray, "..."]) -> float:
    """The Frechet (2-Wasserstein) distance, squared, of two Gaussians fitted to embeddings.

    |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). Source: Dowson and Landau 1982; as a measure of
    generated data Heusel et al., NeurIPS 2017 (FID).

    Args:
        first: [N, E], one embedding per row.
        second: [M, E], the embeddings to compare with.

    Raises:
        DataError: The shapes are others, there are fewer than two rows, or a number is not finite.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise DataError(f"embeddings must be [N, E] and [M, E], not {first.shape}, {second.shape}")
    if min(len(first), len(second)) < 2:
        raise DataError("a Frechet distance needs at least two embeddings on each side")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("an embedding is not finite")
    first, second = first.astype(np.float64), second.astype(np.float64)
    first_covariance, second_covariance = (np.atleast_2d(np.cov(e.T)) for e in (first, second))
    values, vectors = np.linalg.eigh(first_covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # S1 S2 and the symmetric S1^(1/2) S2 S1^(1/2) have the same eigenvalues.
    crossed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second_covariance @ root), 0)).sum()
    shift = ((first.mean(0) - second.mean(0)) ** 2).sum()
    variance = shift + np.trace(first_covariance) + np.trace(second_covariance)
    return float(max(variance - 2 * crossed, 0.0))


def frechet_pose_distance(references: Sequence[PoseClip], produced: Sequence[PoseClip]) -> float:
    """The Frechet distance between the frames of productions and those of real clips.

    The embedding of a frame: the positions of all joints relative to their parent in the layout
    (hand joints to their wrist, the body to the neck), and how far these go in a tenth of a second
    at the velocity to the next frame; all in shoulder widths. A joint that is missing, or whose
    parent is, takes the real clips' mean, in both sets; one that no real clip shows is left out.
    The value decreases with more frames: compare sets of one size.

    Raises:
        DataError: A layout differs, or there are fewer than two frames with a successor.
    """
    if len({clip.layout for clip in (*references, *produced)}) != 1:
        raise DataError("clips of one layout are needed for a Frechet distance")
    real = [rows for clip in references for rows in _embed(clip)]
    made = [rows for clip in produced for rows in _embed(clip)]
    if not real or not made:
        raise DataError("a Frechet distance needs clips of at least two frames on each side")
    real, made = np.stack(real), np.stack(made)
    seen = np.isfinite(real)
    mean = np.where(seen, real, 0).sum(0) / np.maximum(seen.sum(0), 1)
    used = seen.any(0)
    fill = [np.where(np.isfinite(rows), rows, mean)[:, used] for rows in (real, made)]
    return frechet_distance(*fill)


def _embed(clip: PoseClip) -> Float[np.ndarray, "steps E"]:
    """Embeddings, E = 6J, of a clip's frames but its last; NaN where a joint is missing."""
    parent = np.array(clip.skeleton.parent)
    positions = np.where(clip.observed[..., None], clip.positions, np.nan)
    root = parent == np.arange(len(parent))
    relative = positions - np.where(root[:, None], 0, positions[:, parent])
    motion = np.diff(relative, axis=0) * clip.fps * _SECONDS
    return np.concatenate([relative[:-1], motion], -1).reshape(-1, 6 * len(parent))
