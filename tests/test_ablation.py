"""The study of reinforcement learning: its choice, its figures, its page."""

import json

import numpy as np
import pytest

from configs import ablation
from signllm_jax.ablation import report
from signllm_jax.ablation.runs import separation
from signllm_jax.ablation.study import DEV_SEEDS, TEST_SEEDS, Study
from signllm_jax.config import read_config
from signllm_jax.errors import DataError

ENDS = {"base": 0.5, "rl_loss": 0.5, "plc": 0.45, "plc_uniform": 0.4, "plc_share": 0.6}


@pytest.fixture
def study(tmp_path):
    config = read_config(ablation.get_config().to_dict())
    settings = {name: ablation.SETTINGS[name] for name in ENDS}
    return Study(config, settings, ablation.FINETUNE, tmp_path / "results")


def keep(study, stage, name, corrupt, seed, **more):
    study.folder.mkdir(exist_ok=True)
    curve = [
        {"step": s, "dtw": 1 - (1 - ENDS.get(name, 0.3)) * s / 400, "loss": 0.1}
        for s in (100, 200, 300, 400)
    ]
    result = {"setting": name, "corrupt": corrupt, "seed": seed, "curve": curve, "frames": 700.0}
    path = study.folder / f"{stage}-{name}-{corrupt:g}-{seed}.json"
    path.write_text(json.dumps(result | more))


def test_every_setting_is_a_config_and_there_are_at_most_twelve():
    config = ablation.get_config()
    for rl in (*ablation.SETTINGS.values(), *ablation.FINETUNE.values()):
        values = config.to_dict()
        values["rl"] |= rl
        read_config(values)
    assert {"base", "rl_loss", "plc"} <= set(ablation.SETTINGS) and len(ablation.SETTINGS) <= 12
    assert not set(DEV_SEEDS) & set(TEST_SEEDS)


def test_the_setting_is_chosen_on_dev_by_the_mean_of_all_seeds_among_those_with_the_channel(study):
    for name in ENDS:
        for seed in DEV_SEEDS[:-1]:
            keep(study, "dev", name, 0.25, seed)
    assert study.chosen("dev", study.candidates(), 0.25) is None
    for name in ENDS:
        keep(study, "dev", name, 0.25, DEV_SEEDS[-1])
    assert study.chosen("dev", study.candidates(), 0.25) == "plc_uniform"


def test_errors_separate_damaged_clips_by_kind():
    kinds = np.repeat([0, 1, 2, 3], 10)
    error = np.concatenate([np.arange(10), np.arange(10) + 100, np.arange(10), np.full(10, -1)])
    found = separation(error.astype(float), kinds)
    assert found["wrong_word"] == 1 and found["frozen_hands"] == 0.5 and found["noise"] == 0
    assert found["all"] == 0.5
    error = np.where(kinds == 3, np.nan, error)
    assert separation(error, kinds)["all"] == 0.75  # an unknown error is neither


def test_steps_to_a_ratio_are_read_off_the_curve():
    curve = [{"step": 100, "dtw": 0.8}, {"step": 200, "dtw": 0.6}, {"step": 300, "dtw": 0.5}]
    assert report.steps_to(curve, 0.7) == pytest.approx(150)
    assert report.steps_to(curve, 0.9) == 100 and report.steps_to(curve, 0.5) == pytest.approx(300)
    assert np.isnan(report.steps_to(curve, 0.4))


def test_an_interval_is_students():
    assert report.interval([1.0, 2.0, 3.0]) == "2.000 [-0.484, 4.484]"
    assert report.spread([1.0, 3.0]) == "2.000 ± 1.414"


def test_the_page_is_written_of_whatever_is_finished(study, tmp_path):
    docs = tmp_path / "docs"
    with pytest.raises(DataError, match="no run is finished"):
        report.write(study, docs)
    auc = {"teacher_forced": dict.fromkeys(("all", "wrong_word", "frozen_hands", "noise"), 0.9)}
    for name in ENDS:
        for seed in DEV_SEEDS:
            keep(study, "dev", name, 0.25, seed, auc=auc)
    report.write(study, docs)
    page = (docs / "replay.md").read_text()
    assert "Not run." in page and "**plc_uniform**" in page
    assert (docs / "replay.png").stat().st_size > 5000
    for seed in TEST_SEEDS:
        for name in ("base", "plc_uniform"):
            test = {"dtw": 0.5 + 0.01 * seed - 0.1 * (name != "base"), "cer": 0.1, "hand_travel": 1}
            keep(study, "test", name, 0.25, seed, test=test)
    report.write(study, docs)
    page = (docs / "replay.md").read_text()
    assert "-0.1000 [-0.1000, -0.1000]" in page and "0.4500 [0.4304, 0.4696]" in page
    line = next(line for line in page.splitlines() if line.startswith("| plc_uniform | loss"))
    assert "333 ± 0 (3 of 3)" in line
