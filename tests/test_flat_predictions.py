"""Predictions without depth: scored, and read by readers, in x and y on both sides."""

import dataclasses

import numpy as np
import pytest
import test_report
from test_predictions import copies, languages, rates  # noqa: F401 (languages is a fixture)

from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.skeleton import DWPOSE_TO_OPENPOSE50
from signllm_jax.eval.back_translate import ReaderConfig
from signllm_jax.eval.evaluators import trained_inside
from signllm_jax.eval.predictions import match
from signllm_jax.metrics.pairs import score_clips
from signllm_jax.poses.clip import PoseClip

words, workdir = test_report.words, test_report.workdir  # fixtures


def without_depth(clip):
    return dataclasses.replace(clip, positions=clip.positions * np.float32([5, 5, 0]))


def as_dwpose(clip):
    points = np.zeros((len(clip), 128, 3), np.float32)
    seen = np.zeros((len(clip), 128), np.float32)
    rows = list(DWPOSE_TO_OPENPOSE50)
    points[:, rows, :2], seen[:, rows] = clip.positions[..., :2], clip.confidence
    points[..., 2] = seen
    return PoseClip(points, seen, clip.fps, "dwpose128")


@pytest.mark.parametrize("make", [without_depth, as_dwpose])
def test_predictions_without_depth_are_compared_in_x_and_y_on_both_sides(languages, make):  # noqa: F811
    predictions = copies(languages, make)
    clips = match(predictions, languages)
    assert predictions.flat and predictions.describe()["compared"] == "x and y"
    for code, each in languages.items():
        for ours, theirs in zip(each.references, clips[code]):
            assert ours.layout == theirs.layout == "openpose50"
            assert not ours.positions[..., 2].any() and not theirs.positions[..., 2].any()
            seen = ours.observed & theirs.observed
            assert seen.mean() > 0.5
            np.testing.assert_allclose(theirs.positions[seen], ours.positions[seen], atol=1e-4)
        assert not each.train.clip(0).positions[..., 2].any()
        assert not each.statistics.mean_pose[:, 2].any()
        scores = score_clips(each.references, clips[code], ("dtw",))
        assert np.nanmax(scores["dtw"]) < 1e-3


def test_readers_of_x_and_y_are_trained_and_read_what_is_flat(languages, tmp_path):  # noqa: F811
    clips = match(copies(languages, without_depth), languages)
    sizes = ReaderConfig(steps=2, batch_size=2, width=8)
    (reader,) = trained_inside(Workdir(tmp_path), languages, (0,), sizes, flat=True)
    assert reader.kind.endswith("in x and y") and (tmp_path / "reader-flat").is_dir()
    for code, each in languages.items():
        read = reader.read(code, clips[code])
        assert len(read) == len(each.texts) and all(isinstance(text, str) for text in read)


def test_predictions_with_depth_are_compared_with_it(languages):  # noqa: F811
    predictions = copies(languages, lambda clip: clip)
    match(predictions, languages)
    assert not predictions.flat and predictions.describe()["compared"] == "x, y and z"
    assert languages["asl"].references[0].positions[..., 2].any()
