"""docs/words.md: the rows of many signers, and the page."""

import dataclasses
import json

import numpy as np
import pytest

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.corpora import spelled_signers
from signllm_jax.eval import words_page
from signllm_jax.eval.referees import row_figures
from signllm_jax.eval.signers_report import conditional_mean, evaluate_signers
from signllm_jax.metrics.pairs import held, mean_pose
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.smooth import smoothed


@pytest.fixture(scope="module")
def takes():
    """Text -> two real takes of it, by right-handed signers."""
    found = {}
    for example in spelled_signers.corpus("asl", "dev"):
        if example.signer != "ise" and 3 <= len(example.units) <= 6:
            found.setdefault(example.text, []).append(example.clip)
    return dict(list({t: clips for t, clips in found.items() if len(clips) == 2}.items())[:16])


def test_rows_tell_real_takes_from_their_mean_and_from_the_mean_pose(takes):
    references = [clips[0] for clips in takes.values()]
    real = row_figures(references, [clips[1] for clips in takes.values()])
    mean = row_figures(references, [conditional_mean(text) for text in takes])
    pose = mean_pose(references)
    still = row_figures(references, [held(pose, clip) for clip in references])
    assert mean["dtw"] < real["dtw"]  # why a distance is no judge
    assert (
        0.9 < real["smooth_travel_ratio"] < 1.15
        and mean["smooth_travel_ratio"] < 0.8
        and still["smooth_travel_ratio"] < 1e-6
    )
    assert real["frechet"] < mean["frechet"] < still["frechet"]
    assert still["duration_ratio"] == 1
    assert real["smooth_speed_ratio"] == pytest.approx(
        real["smooth_travel_ratio"] / real["duration_ratio"]
    )


def test_smoothing_takes_jitter_away_and_leaves_steady_motion(takes):
    clip = next(iter(takes.values()))[0]
    line = np.linspace(0, 1, 30)[:, None, None] * np.ones((1, 50, 3))
    steady = PoseClip(line.astype(np.float32), np.ones((30, 50), np.float32), 25.0)
    np.testing.assert_allclose(smoothed(steady).positions[2:-2], line[2:-2], atol=1e-6)
    shaken = dataclasses.replace(clip, positions=clip.positions.copy())
    shaken.positions[::2] += 0.05
    rough = np.abs(np.diff(shaken.positions, axis=0)).mean()
    assert np.abs(np.diff(smoothed(shaken).positions, axis=0)).mean() < 0.5 * rough
    hidden = dataclasses.replace(clip, confidence=clip.confidence.copy())
    hidden.positions[10, 29:], hidden.confidence[10, 29:] = 99.0, 0.0
    assert np.abs(smoothed(hidden).positions).max() < 10  # what is missing is in no mean


def test_the_conditional_mean_shows_what_most_signers_show():
    clip = conditional_mean("bad")
    assert clip.observed[:, 29:].all() and not clip.observed[:, 8:29].any()
    assert len(clip) == 3 * 12 + 2 * 4


def test_a_run_on_other_data_is_refused(tmp_path, data_dir):
    from tiny_run import tiny_config, write_run

    workdir = write_run(tmp_path / "run", tiny_config(data_dir))
    with pytest.raises(ConfigError, match="does not have several signers"):
        evaluate_signers(workdir.path)


def record(seed, cer, lost):
    band = {"clips": 10, "cer": cer, "duration_ratio": 1.0, "doubled": 4, "doubled_lost": lost}
    return {
        "run": {"seed": seed, "steps": 3, "cpu_seconds": 1.0, "total_cpu_seconds": 2.0 + seed},
        "overall": {"cer": cer, "cer_real": 0.0, "duration_ratio": 1.0},
        "lengths": {"overall": {"3-6": band, "several words": band}},
    }


def test_the_page_has_means_over_the_kept_seeds(tmp_path):
    tmp_path, readme = tmp_path / "docs", tmp_path / "README.md"
    tmp_path.mkdir()
    readme.write_text("a\n<!-- words:start -->\n<!-- words:end -->\nb\n")
    (tmp_path / "words.md").write_text("a\n<!-- demo:start -->\nold\n<!-- demo:end -->\nb\n")
    with pytest.raises(DataError, match="no run is kept"):
        words_page.write(tmp_path)
    for seed, cer, lost in ((0, 0.01, 0.0), (1, 0.03, 0.5)):
        words_page.keep(tmp_path, "demo", words_page.demo_record(record(seed, cer, lost)))
    assert json.loads((tmp_path / "words" / "demo-1.json").read_text())["seed"] == 1
    page = words_page.write(tmp_path)
    assert "| 3-6 | 10 | 2.0% | 1.000 | 4 | 25.0% |" in page
    assert "mean over seeds 0, 1" in page and "took 2 CPU seconds" in page
    assert "seed 1: 3-6 3.0%" in page
    whole = (tmp_path / "words.md").read_text()
    assert page in whole and "old" not in whole
    line = "by their length (mean over seeds 0, 1): 2.0% at 3 to 6 letters, 2.0% at several words."
    assert line in readme.read_text() and readme.read_text().endswith("b\n")


def test_the_page_compares_runs_without_and_with_the_clock(tmp_path):
    (tmp_path / "words.md").write_text("a\n<!-- clock:start -->\nold\n<!-- clock:end -->\nb\n")
    told = [record(0, cer, 0.0) | {"languages": {"asl": {}}} for cer in (0.04, 0.01)]
    words_page.keep(tmp_path, "clock", words_page.clock_record(*told))
    page = words_page.write(tmp_path)
    assert "| without the clock, 3-6 | 10 | 4.0% |" in page
    assert "| with the clock, several words | 10 | 1.0% |" in page
    assert page.endswith("Dev texts of asl, seed 0; 3 steps.")
    assert page in (tmp_path / "words.md").read_text()
