"""Runs of the study that the training loop makes, as for a user: each has a work directory."""

import json
from pathlib import Path

import jax
import numpy as np

from signllm_jax.artifacts.group import load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.typing import Tree
from signllm_jax.eval.dispatch import evaluate_run
from signllm_jax.eval.results import read_reports
from signllm_jax.train.loop import train


def trained(config: Config, workdir: Path) -> Tree:
    """The best parameters [1, ...] of a run of one language, which is trained if it is missing."""
    train(config, workdir)
    params = load_group(Workdir(workdir).group(config.data.languages[0])).params
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], params)


def prompted(config: Config, workdir: Path) -> dict[str, float]:
    """Trains Prompt2LangGloss and returns the figures on test of its clips from true LangGloss."""
    train(config, workdir)
    evaluate_run(workdir)
    report = json.loads((workdir / "report.json").read_text())
    figures = report["rows"]["true_langgloss"]["overall"]
    return {
        "dtw": figures["dtw_mean_pose_ratio"],
        "hand_travel": figures["hand_travel_ratio"],
        "prompted": report["overall"]["dtw_mean_pose_ratio"],
    }


def of_demo(workdir: Path) -> dict:
    """The record of an evaluated run of MLSF.

    Raises:
        CheckpointError: There is no run.
        DataError: The run was not evaluated.
    """
    config, _ = Workdir(workdir).read_config()
    (report,) = read_reports([str(workdir)])
    keep = ("cer", "dtw_mean_pose_ratio", "hand_travel_ratio", "duration_ratio")

    def chosen(figures):
        return {name: figures[name] for name in keep if name in figures}

    return {
        "setting": "plc" if config.rl.plc else config.rl.loss,
        "corrupt": config.data.corrupt,
        "seed": config.train.seed,
        "config": {"steps": config.train.steps, "rows": config.train.batch_size},
        "cpu_seconds": report["run"]["cpu_seconds"],
        "overall": chosen(report["overall"]),
        "languages": {code: chosen(figures) for code, figures in report["languages"].items()},
    }
