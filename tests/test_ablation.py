"""The study of reinforcement learning: its choice, its figures, its page."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from configs import ablation
from launch.studies import costs, draws, report, signer_tables, tables
from launch.studies.records import Records
from launch.studies.runs import separation
from launch.studies.study import DEV_SEEDS, TEST_SEEDS, Run, Study
from signllm_jax.core.config import read_config
from signllm_jax.core.errors import DataError

ENDS = {"base": 0.5, "rl_loss": 0.5, "plc": 0.45, "plc_uniform": 0.4, "plc_share": 0.6}
ENDS |= {"trimmed_1": 0.42, "trimmed_2": 0.41, "huber_1": 0.48}


@pytest.fixture
def study(tmp_path):
    return Study(
        config=read_config(ablation.get_config().to_dict()),
        settings={name: ablation.SETTINGS[name] for name in ENDS if name in ablation.SETTINGS},
        controls={name: ablation.CONTROLS[name] for name in ENDS if name in ablation.CONTROLS},
        prompted=read_config(ablation.prompted().to_dict()),
        demo=read_config(ablation.demo().to_dict()),
        finetune=ablation.FINETUNE,
        finetune_steps=ablation.FINETUNE_STEPS,
        sampled=read_config(ablation.sampled().to_dict()),
        reader_ways=ablation.READER_WAYS,
        signers=read_config(ablation.signers().to_dict()),
        records=Records(tmp_path / "docs" / "replay" / "runs.jsonl"),
        folder=tmp_path / "runs",
    )


def keep(study, stage, name, corrupt, seed, **more):
    curve = [
        {"step": s, "dtw": 1 - (1 - ENDS.get(name, 0.3)) * s / 400, "loss": 0.1}
        for s in (100, 200, 300, 400)
    ]
    result = {"setting": name, "corrupt": corrupt, "seed": seed, "curve": curve, "frames": 700.0}
    study.records.add(stage, result | {"config": study.described(name)} | more)


def test_every_setting_is_a_config_and_there_are_at_most_twelve():
    config = ablation.get_config()
    ways = [{"rl": rl} for rl in ablation.SETTINGS.values()]
    ways += [{"loss": loss} for loss in ablation.CONTROLS.values()]
    for way in (*ways, *ablation.FINETUNE.values()):
        values = config.to_dict()
        for section, changes in way.items():
            values[section] |= changes
        read_config(values)
    assert {"base", "rl_loss", "plc"} <= set(ablation.SETTINGS) and len(ablation.SETTINGS) <= 12
    assert not set(DEV_SEEDS) & set(TEST_SEEDS)


def test_the_setting_is_chosen_on_dev_by_the_mean_of_all_seeds_among_those_with_the_channel(study):
    for name in ENDS:
        for seed in DEV_SEEDS[:-1]:
            keep(study, "dev", name, 0.25, seed)
    assert study.best() is None
    for name in ENDS:
        keep(study, "dev", name, 0.25, DEV_SEEDS[-1])
    assert study.best() == "plc_uniform"


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
    assert tables.steps_to(curve, 0.7) == pytest.approx(150)
    assert tables.steps_to(curve, 0.9) == 100 and tables.steps_to(curve, 0.5) == pytest.approx(300)
    assert np.isnan(tables.steps_to(curve, 0.4))


def test_an_interval_is_students():
    assert tables.interval([1.0, 2.0, 3.0]) == "2.000 [-0.484, 4.484]"
    assert tables.spread([1.0, 3.0]) == "2.000 ± 1.414"


def test_what_is_planned_is_what_is_missing_and_what_was_chosen(study):
    share = study.config.data.corrupt
    for name in ENDS:
        for seed in DEV_SEEDS:
            keep(study, "dev", name, share, seed)
    plan = list(study.plan())
    tested = {(run.setting, run.corrupt) for run in plan if run.stage == "test"}
    names = ("base", "rl_loss", "plc", "plc_uniform", "trimmed_2", "huber_1")
    assert {run.setting for run in plan if run.stage == "clean"} == {*names} - {"rl_loss"}
    assert tested == {(n, c) for n in names for c in (share, 0.0)} | {("prompt2langgloss", 0.0)}
    assert len(set(plan)) == len(plan) and Run("test", "rl_loss", 0.0, 7) in plan
    held = study.results("dev")
    assert set(held) == {run[1:] for run in plan if run.stage == "dev"}
    longer = dataclasses.replace(study.config.train, steps=501)
    other = dataclasses.replace(study, config=dataclasses.replace(study.config, train=longer))
    assert other.results("dev") == {}  # what was run otherwise is no result


def test_draws_and_clips_below_the_threshold_are_counted_by_signer():
    weights = np.array([[6, 0, 2, 0], [0, 4, 0, 0]])
    example = np.array([[0, 1, 2, -1], [3, 4, -1, -1]])
    found = draws.shares(weights, example, ["a", "a", "b", "b", "a"])
    assert found["clips a"] == pytest.approx(0.6) and found["below a"] == pytest.approx(1 / 3)
    assert found["draws a"] == pytest.approx((6 / 8 + 1) / 2)
    assert found["draws b"] == pytest.approx(1 / 8)
    assert found["below b"] == 0.5 and found["below"] == pytest.approx(2 / 5)


def test_records_are_kept_and_a_damaged_line_is_named(tmp_path):
    records = Records(tmp_path / "new" / "runs.jsonl")
    assert records.read("dev") == {}
    one = {"setting": "base", "corrupt": 0.25, "seed": 1, "curve": [{"dtw": 1 / 3}]}
    records.add("dev", one)
    records.add("dev", one | {"seed": 0})
    records.add("dev", one | {"frames": 2.0})
    assert list(records.read("dev")) == [("base", 0.25, 0), ("base", 0.25, 1)]
    found = records.read("dev")["base", 0.25, 1]
    assert found["frames"] == 2.0 and found["curve"][0]["dtw"] == 0.333333
    path = tmp_path / "new" / "runs.jsonl"
    path.write_text(path.read_text() + '{"stage": "dev", "sett')
    with pytest.raises(DataError, match=r"runs\.jsonl: line 3 is no record"):
        records.read("dev")


def test_the_page_is_written_of_whatever_is_finished(study, tmp_path):
    docs = tmp_path / "docs"
    with pytest.raises(DataError, match="no run on dev is finished"):
        report.write(study, docs)
    auc = {"teacher_forced": dict.fromkeys(("all", "wrong_word", "frozen_hands", "noise"), 0.9)}
    for name in ENDS:
        for seed in DEV_SEEDS:
            keep(study, "dev", name, 0.25, seed, auc=auc)
            keep(study, "clean", name, 0.0, seed)
    report.write(study, docs)
    page = (docs / "replay.md").read_text()
    assert "best ways on dev: not run." in page and "DTW against `plc_uniform`" in page
    assert "Not run." in (docs / "replay" / "tables.md").read_text()
    assert (docs / "replay.png").stat().st_size > 5000
    for seed in TEST_SEEDS:
        for name in ("base", "plc_uniform"):
            test = {"dtw": 0.5 + 0.01 * seed - 0.1 * (name != "base"), "cer": 0.1, "hand_travel": 1}
            keep(study, "test", name, 0.25, seed, test=test)
    report.write(study, docs)
    page = (docs / "replay.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith("| plc_uniform |"))
    assert "| 333 | 333 |" in line and "0.4500 [0.4304, 0.4696]" in line
    assert "| trimmed_2 |" in page and "| trimmed_1 |" not in page and "0.500 ± 0.000" in page
    page = (docs / "replay" / "tables.md").read_text()
    assert (
        "robust trimmed, outlier 1.0" in page and "| plc_uniform | teacher forced | 0.900" in page
    )
    assert "-0.1000 [-0.1000, -0.1000]" in page and "0.4500 [0.4304, 0.4696]" in page


def test_the_page_is_short_and_has_one_table():
    page = (Path(__file__).parents[1] / "docs" / "replay.md").read_text("utf-8")
    assert len(page.split()) <= 900 and page.count("|---|") == 1


def test_signers_and_a_readers_reward_are_shown(study):
    for group, most in (("none", 0.4), ("signer", 0.25)):
        part = {"clips": 0.25, "below": 0.5}
        signers = {"a": part | {"draws": most}, "b": part | {"draws": 0.5 - most}}
        keep(study, "draws", group, 0.0, 0, signers=signers, below=0.5)
    line = signer_tables.drawn_line(study.results("draws"))
    assert line.startswith(
        "by `none` `a`, 25.0% of the clips, 40.0% of the draws, and `b` 25.0% and 10.0%"
    )
    assert "| a | 25.0% | 40.0% | 25.0% |" in signer_tables.drawn(study.results("draws"), "draws")
    for seed in DEV_SEEDS:
        start = {"cer": 0.2, "diversity": 0.5, "reward": -1.0}
        after = start | {"cer": 0.19 - 0.01 * seed}
        keep(study, "reader", "reader", 0.0, seed, start=start, test=after)
    assert "| reader | 3 | 20.0% to 18.0% |" in signer_tables.read(study.results("reader"))
    assert "`reader` -2.00 [-4.48, +0.48]" in signer_tables.read_line(study.results("reader"))


def test_further_training_stands_beside_what_it_began_from(study, tmp_path):
    for seed in (*DEV_SEEDS, *TEST_SEEDS[:3]):
        for name in ablation.FINETUNE:
            stage = "finetune-dev" if seed in DEV_SEEDS else "finetune-test"
            start = {"dtw": 0.07, "cer": 0.02, "hand_travel": 1.0}
            keep(study, stage, name, 0.0, seed, start=start, test=start | {"dtw": 0.06})
    dev = tables.further_dev(study.results("finetune-dev"), study.finetune)
    assert "optimizer learning_rate 3e-05" in dev and "-0.5250" in dev
    test = tables.further_test(study.results("finetune-test")).splitlines()
    assert test[2].startswith("| - | 3 | 0.0700 [") and "-0.0100 [" in test[3]


def test_the_demo_is_shown_with_its_worst_language(study):
    for name, cer in (("plc", 0.02), ("mse", 0.01)):
        for seed in (0, 1):
            figures = {"cer": cer + 0.01 * seed, "dtw_mean_pose_ratio": 0.06}
            figures |= {"hand_travel_ratio": 1.04, "duration_ratio": 1.0}
            languages = {"asl": figures, "gsl": figures | {"cer": 0.09, "hand_travel_ratio": 0.9}}
            record = {"setting": name, "corrupt": 0.0, "seed": seed, "overall": figures}
            study.records.add("demo", record | {"languages": languages, "cpu_seconds": 400.0})
    first, second = tables.demo(study.records.read("demo")).split("\n\n")
    assert first.splitlines()[3].startswith("| plc | 0, 1 | 2.5% ± 0.7% | 9.0% |")
    assert second.splitlines()[3].startswith("| plc | 1.040 ± 0.000 | 0.900 |")


def test_a_slice_without_its_pair_is_an_error_and_a_pair_is_compared(tmp_path):
    made = {"mesh": {"fsdp": 2}, "topology": "v5e:2x2", "lanes": ["asl"], "batch_size": 4}
    made |= {"hbm_bytes_per_chip": 1e9}
    made["collectives"] = [{"kind": "all-reduce", "axes": ["fsdp"], "count": 3, "bytes": 2e6}]
    for way, cycles, uncounted in (("plc", 1.02, 0.5), ("mse", 1.0, 0.25)):
        if way == "mse":
            with pytest.raises(DataError, match="slice-tiny-mse"):
                costs.slices(tmp_path)
        path = tmp_path / f"slice-tiny-{way}.json"
        times = {"cycle_milliseconds": cycles, "uncounted_milliseconds": {"copy": uncounted}}
        path.write_text(json.dumps(made | times))
    table = costs.slices(tmp_path)
    assert "| 1.020 | +2.0% | 0.500 | +21.6% |" in table
    assert "3 all-reduce (fsdp, 2.00 MB)" in table
