"""The study's page and figure: `docs/replay.md` and `docs/replay.png`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from launch.studies import costs, tables
from launch.studies.records import Key
from launch.studies.study import DEV_SEEDS, TEST_SEEDS, Study, by_setting
from signllm_jax.artifacts.group import write_file
from signllm_jax.core.errors import DataError
from signllm_jax.eval.plots import plot_curves


def write(study: Study, docs: Path) -> str:
    """Writes the page and the figure of what is finished.

    Returns:
        A line that says where.

    Raises:
        DataError: nothing is finished.
    """
    dev = study.results("dev")
    if not dev:
        raise DataError(f"{docs / 'replay'}: no run on dev is finished")
    docs.mkdir(parents=True, exist_ok=True)
    _figure(dev, docs / "replay.png")
    parts = [*_head(study), *_settings(study, dev), *_test(study), *_demo(study)]
    parts += [*_further(study), *_costs(docs / "replay")]
    write_file(docs / "replay.md", ("\n\n".join(parts) + "\n").encode())
    return f"{docs / 'replay.md'}: {len(dev)} runs on dev"


def _head(study: Study) -> list[str]:
    config = study.config
    return [
        "# Reinforcement learning: what it does here",
        "Written by `launch/ablation.py` from its records (`docs/replay/`). Fingerspelling, "
        f"{config.data.languages[0]}, size {config.size}, {config.train.steps} steps of "
        f"{config.train.batch_size} rows in every setting; DTW is the ratio to the mean pose, "
        "free-running (0 is the real clip, 1 the mean pose). Settings are those of "
        "`configs/ablation.py`; `plc` is the paper's, and the default of `configs/mlsf.py`.",
    ]


def _settings(study: Study, dev: Mapping[Key, dict]) -> list[str]:
    best = study.chosen("dev", study.candidates(), study.config.data.corrupt)
    return [
        "## Settings on dev",
        f"A quarter of the train clips damaged, {_seeds(DEV_SEEDS)}; mean ± standard deviation. "
        f"Chosen by the DTW ratio at the end, among the settings with the channel: **{best}**.",
        tables.training(dev, study.settings),
        "DTW on dev at a quarter, a half, three quarters and the end of training:",
        tables.by_stage(dev, "dtw"),
        "And the frame error on dev, teacher-forced:",
        tables.by_stage(dev, "loss"),
        "![DTW ratio and loss on dev over training](replay.png)",
        "## How well errors tell damaged clips from clean ones",
        "AUC over the train clips: of the final parameters' teacher-forced and free-running "
        "errors, and of what the buffer held at the end.",
        tables.auc(dev),
    ]


def _test(study: Study) -> list[str]:
    return [
        "## Test, once",
        f"{_seeds(TEST_SEEDS).capitalize()}; mean and 95% interval (t) over the seeds; the "
        "difference to base is paired by seed. `prompt2langgloss` is the other kind of model, "
        "after as many steps of as many rows, from the true LangGloss; it is not read, and its "
        "errors cannot be compared with damaged clips in the buffer, so it has one row.",
        tables.test(study.results("test")),
    ]


def _demo(study: Study) -> list[str]:
    steps = f"{study.demo.train.steps:,}"
    return [
        "## The demo with the channel and without",
        f"`configs/mlsf.py`, all four languages, clean clips, {steps} steps; test words, mean ± "
        "standard deviation over the seeds, and the worst language of any seed. `plc` is the "
        "default; `mse` is without reinforcement learning.",
        tables.demo(study.records.read("demo")),
    ]


def _further(study: Study) -> list[str]:
    gradient = study.chosen("finetune-dev", study.gradients(), 0.0)
    plain = study.chosen("finetune-dev", study.supervised(), 0.0)
    return [
        "## Policy gradient",
        f"The demo's {study.demo.data.languages[0]} ({study.demo.train.steps:,} steps, clean "
        f"clips, its best parameters) trained on for {study.finetune_steps} steps in each way. "
        f"On dev, {_seeds(DEV_SEEDS)}, mean ± standard deviation and the change's 95% interval; "
        f"chosen: **{gradient}**, and without a policy gradient **{plain}**.",
        tables.further_dev(study.results("finetune-dev"), study.finetune),
        "On test, with the same seeds, once:",
        tables.further_test(study.results("finetune-test")),
    ]


def _costs(folder: Path) -> list[str]:
    return [
        "## What the channel costs",
        "A step with the channel and one without, in turns in one process on a CPU "
        "(`launch/benchmark.py replay`): median and quartiles of the rounds.",
        costs.measured(folder),
        "The compiler's estimate of a step on a slice of TPUs (`launch/compile.py`), without the "
        "interconnect, and the collectives in each. The channel's own operations have none; which "
        "weights are gathered how often is the compiler's choice, and differs a little. What the "
        "compiler gives no count for is charged by its operations and bytes (`ms uncounted`):",
        costs.slices(folder),
    ]


def _seeds(seeds: Sequence[int]) -> str:
    return f"seeds {seeds[0]} to {seeds[-1]}"


def _figure(results: Mapping[Key, dict], path: Path) -> None:
    titles = {"dtw": "DTW ratio to the mean pose, dev", "loss": "teacher-forced frame error, dev"}
    panels: dict[str, dict] = {title: {} for title in titles.values()}
    for name, _, own in by_setting(results):
        steps = [point["step"] for point in own[0]["curve"]]
        for key, title in titles.items():
            values = np.array([[point[key] for point in r["curve"]] for r in own])
            panels[title][name] = (steps, values)
    plot_curves(panels, path)
