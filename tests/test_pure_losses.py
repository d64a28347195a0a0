"""Losses of readers, lines and whole clips against plain code."""

import functools

import jax
import numpy as np
import optax
import pytest
import scipy.special

from signllm_jax.core.config import ReadingConfig
from signllm_jax.core.typing import TokenScores
from signllm_jax.models.layers.variety import Told
from signllm_jax.models.losses import (
    clip_losses,
    divergence,
    gloss_loss,
    line_losses,
    reading_losses,
)
from signllm_jax.models.pose2text import END, Memory

log_softmax = functools.partial(scipy.special.log_softmax, axis=-1)


def test_the_losses_of_a_reader_are_those_of_its_clips():
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 7, 9)).astype(np.float32)
    target = np.array([[3, 5, END, 7, END, 0, 0], [2, 2, 4, END, 0, 0, 0]])
    segment = np.array([[1, 1, 1, 2, 2, 0, 0], [1, 1, 1, 1, 0, 0, 0]])
    steps = np.array([[1, 1, 1, 2, 2], [1, 1, 0, 0, 0]])
    total = np.array([[2.5, 2.5, 2.5, 4, 4], [3.25, 3.25, 9, 9, 9]], np.float32)
    gloss_logits = random.normal(size=(2, 5, 6)).astype(np.float32)
    gloss = np.array([[[2, 3, 0, 0], [4, 0, 0, 0]], [[5, 0, 0, 0], [0, 0, 0, 0]]])
    memory = Memory((), steps, np.zeros((2, 5)), total, gloss_logits)
    config = ReadingConfig(smoothing=0.0, count=0.5, gloss=2.0)
    found = jax.jit(reading_losses, static_argnums=5)(
        logits, target, segment, memory, gloss, config
    )
    real = segment > 0
    token = -np.take_along_axis(log_softmax(logits), target[..., None], -1)[..., 0][real].mean()
    count = (abs(2.5 - 2) + abs(4 - 1) + abs(3.25 - 3)) / 3  # of the three texts, ends apart
    ctc = 0.0
    for row, part, ids in ((0, slice(0, 3), [2, 3]), (0, slice(3, 5), [4]), (1, slice(0, 2), [5])):
        values, padding = gloss_logits[row : row + 1, part], np.zeros((1, part.stop - part.start))
        ctc += float(optax.ctc_loss(values, padding, np.array([ids]), np.zeros((1, len(ids))))[0])
    np.testing.assert_allclose(found["token"], token, rtol=1e-5)
    np.testing.assert_allclose(found["count"], count, rtol=1e-6)
    np.testing.assert_allclose(found["gloss"], ctc / 4, rtol=1e-5)
    np.testing.assert_allclose(found["loss"], token + 0.5 * count + 2 * ctc / 4, rtol=1e-5)


def test_a_gloss_that_comes_twice_needs_a_step_between():
    """Two steps have no path of two equal glosses, three have."""
    logits = np.random.default_rng(0).normal(size=(1, 5, 4)).astype(np.float32)
    gloss = np.array([[[2, 2], [3, 3]]])
    total, count = gloss_loss(logits, np.array([[1, 1, 2, 2, 2]]), gloss)
    alone = optax.ctc_loss(logits[:, 2:], np.zeros((1, 3)), gloss[0, 1:], np.zeros((1, 2)))
    assert float(count) == 2 and float(total) == pytest.approx(float(alone[0]), rel=1e-5)
    assert [float(x) for x in gloss_loss(logits, np.ones((1, 5), int), 0 * gloss)] == [0, 0]


def test_the_losses_of_a_line_are_of_its_glosses_and_of_its_marks():
    random = np.random.default_rng(1)
    gloss, marks = (random.normal(size=(2, 4, n)).astype(np.float32) for n in (7, 3))
    # mark * 7 + gloss; an end has no mark, padding neither
    line = np.array([[10, 19, 1, 0], [8, 1, 0, 0]])
    segment = np.array([[1, 1, 1, 0], [1, 1, 0, 0]])
    found = line_losses(TokenScores(gloss, marks), line, segment, 0.1)
    rows, at = (0, 0, 0, 1, 1), (0, 1, 2, 0, 1)
    logp = log_softmax(gloss)[rows, at]
    right = logp[np.arange(5), [3, 5, 1, 1, 1]]
    marked = log_softmax(marks)[(0, 0, 1), (0, 1, 0), (1, 2, 1)]
    np.testing.assert_allclose(found["gloss"], -right.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["mark"], -marked.sum() / 5, rtol=1e-5)
    smoothed = -(0.9 * right + 0.1 * logp.mean(-1)).mean()
    np.testing.assert_allclose(found["loss"], smoothed - marked.sum() / 5, rtol=1e-5)
    assert float(found["tokens"]) == 5


def test_two_passes_disagree_by_the_mean_of_both_divergences():
    random = np.random.default_rng(2)
    first, second = (
        TokenScores(*(random.normal(size=(1, 3, n)).astype(np.float32) for n in (5, 3)))
        for _ in range(2)
    )
    expected = 0.0
    for one, two in zip(first, second):
        p, q = (np.exp(log_softmax(x[0, :2])) for x in (one, two))
        expected += ((p * np.log(p / q)).sum(-1) + (q * np.log(q / p)).sum(-1)).mean() / 2
    found = divergence(first, second, np.array([[1, 1, 0]]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_clip_counts_in_the_losses_of_clips_by_its_importance_and_an_absent_one_not_at_all():
    segment = np.array([[1, 1, 2, 2, 2, 0]])
    surplus, length = np.array([[2.0, 5.0, 70.0]]), np.log([[4.0, 3.0, 9.0]])
    found = clip_losses(Told(surplus, length), segment)
    np.testing.assert_allclose(found["latent"], 3.5, rtol=1e-6)
    np.testing.assert_allclose(found["length"], np.log(2) ** 2 / 2, rtol=1e-5)
    weighted = clip_losses(Told(surplus, None), segment, np.array([[3.0, 1.0, 1.0]]))
    np.testing.assert_allclose(weighted["latent"], 2.75, rtol=1e-6)
    assert set(weighted) == {"latent"}
