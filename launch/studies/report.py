"""The study's page and figure: `docs/replay.md` and `docs/replay.png`; `details` has the tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from launch.studies import costs, details, tables
from launch.studies.records import Key
from launch.studies.study import DEV_SEEDS, TEST_SEEDS, Study, by_setting
from signllm_jax.artifacts.group import write_file
from signllm_jax.core.errors import DataError
from signllm_jax.eval.plots import plot_curves
from signllm_jax.eval.results import write_readme


def write(study: Study, docs: Path) -> str:
    """Writes the page, the figure and all tables of what is finished.

    Returns:
        A line that says where.

    Raises:
        DataError: nothing is finished.
    """
    dev = study.results("dev")
    if not dev:
        raise DataError(f"{docs / 'replay'}: no run on dev is finished")
    (docs / "replay").mkdir(parents=True, exist_ok=True)
    _figure(dev, docs / "replay.png")
    best = study.chosen("dev", study.candidates(), study.config.data.corrupt)
    parts = [*_head(study), *_overview(study, dev, best), *_demo(study), *_gradient(study)]
    parts += [*_cost(docs / "replay"), *_open()]
    write_file(docs / "replay.md", ("\n\n".join(parts) + "\n").encode())
    details.write(study, docs / "replay", best)
    if (docs / "results.md").exists():  # a trial elsewhere has none
        write_readme(str(docs / "results.md"), _learning(study), "learning")
    return f"{docs / 'replay.md'}: {len(dev)} runs on dev"


def _head(study: Study) -> list[str]:
    config = study.config
    return [
        "# Reinforcement learning: what it does here",
        "The paper learns with a reinforcement loss and a **Priority Learning Channel** (PLC): a "
        "share of every batch is drawn from a buffer, clips of a high reward more often, and those "
        "of a low one not at all. This page says what that is good for. Written by "
        "`launch/ablation.py`, as are [all tables](replay/tables.md).",
        f"Fingerspelling, {config.data.languages[0]}, size {config.size}, {config.train.steps} "
        f"steps of {config.train.batch_size} rows in every setting (`configs/ablation.py`). DTW is "
        "the ratio to the mean pose, free-running: 0 is the real clip, 1 the mean pose. CER is a "
        f"reader's. Dev: {seeds(DEV_SEEDS)}, mean ± standard deviation. Test, once: "
        f"{seeds(TEST_SEEDS)}, mean and 95% interval.",
    ]


def _overview(study: Study, dev: Mapping[Key, dict], best: str | None) -> list[str]:
    damaged = f"{study.config.data.corrupt:.0%}"
    return [
        "## Damaged clips and clean ones",
        f"In {damaged} of the train clips the word is wrong, the hands are frozen or the noise is "
        "heavy; dev and test are whole.",
        tables.overview(dev, study.results("test"), study.config.data.corrupt),
        "`rl_loss` is the paper's loss alone; `plc` with the channel, as the paper has it; "
        "`plc_share` with two thirds of the rows drawn; `plc_uniform` draws all alike, "
        "`plc_high_error` the worst first, `plc_free_running` by the error of free-running clips. "
        f"Chosen on dev among those with the channel: **{best}**. *AUC* says how well the error "
        "in the buffer, or without one that of the model, tells damaged clips from clean ones.",
        "- **The loss alone changes nothing.** Taken literally its gradient is that of the mean "
        "squared error.\n"
        "- **On damaged clips the channel helps**, and the more the more it draws: damaged clips "
        "stay behind, fall below the threshold, and are seen less often. It is the choice that "
        "helps and not seeing a clip again: the buffer that draws all alike gains nothing, and "
        "drawing the worst first draws the damage.\n"
        "- **On clean clips no gain is shown.** What the threshold leaves out are then the hard "
        "clips, from which there would be most to learn. `plc_share` is within its spread no worse "
        "than `base` there.",
        "![DTW ratio and loss on dev over training](replay.png)",
    ]


def _demo(study: Study) -> list[str]:
    found = study.records.read("demo")
    return [
        "## The demo",
        f"`configs/mlsf.py`, four languages, clean clips, {study.demo.train.steps:,} steps: "
        f"{tables.demo_line(found)}. The channel costs the demo character errors; it is on because "
        "the paper's is. For a corpus that you trust, `--config=configs/mlsf.py:plain` trains "
        "without.",
    ]


def _learning(study: Study) -> str:
    """The demo by what it learns with: a table of docs/results.md."""
    found = study.records.read("demo")
    if not found:
        return "Not run."
    said = (
        f"Words of 3 to 6 letters in four languages, {study.demo.train.steps:,} steps, test: "
        "`paper` learns by the RL loss with the Priority Learning Channel, `plain` by the mean "
        "squared error alone."
    )
    return f"{tables.learning(found)}\n\n{said}"


def _gradient(study: Study) -> list[str]:
    gradient = study.chosen("finetune-dev", study.gradients(), 0.0)
    plain = study.chosen("finetune-dev", study.supervised(), 0.0)
    changes = tables.changes(study.results("finetune-test"))
    said = "; ".join(f"`{name}` {change}" for name, change in changes.items()) or "not run"
    return [
        "## Policy gradient",
        "A gradient of the expected reward of free-running clips, where reward and loss are no "
        f"longer the same. From the demo's {study.demo.data.languages[0]}, trained on for "
        f"{study.finetune_steps} steps in several ways; chosen on dev: `{gradient}`, and without a "
        f"policy gradient `{plain}`. Change of DTW on test: {said}. No way was better than to "
        "stop.",
    ]


def _cost(folder: Path) -> list[str]:
    return [
        "## What it costs",
        "Buffer, errors and draws are on the devices and inside the compiled step; the channel "
        f"adds no collective. A step on a CPU, against one without: {costs.measured_line(folder)}. "
        "What the compiler estimates for TPUs is among the tables.",
    ]


def _open() -> list[str]:
    return [
        "## What is not shown",
        "- Whether a trimmed, a Huber or a median-clipped squared error, without a buffer, gains "
        "as much on damaged clips: these would be the cheaper explanation.\n"
        "- Whether the larger share holds on the whole demo as it does in these short runs.\n"
        "- Whom the channel draws where signers differ, and whether `rl.group` evens that out.\n"
        "- A policy gradient whose reward is a reader's, over samples of a latent.",
    ]


def seeds(chosen: Sequence[int]) -> str:
    """`seeds 0 to 2`."""
    return f"seeds {chosen[0]} to {chosen[-1]}"


def _figure(results: Mapping[Key, dict], path: Path) -> None:
    titles = {"dtw": "DTW ratio to the mean pose, dev", "loss": "teacher-forced frame error, dev"}
    panels: dict[str, dict] = {title: {} for title in titles.values()}
    for name, _, own in by_setting(results):
        steps = [point["step"] for point in own[0]["curve"]]
        for key, title in titles.items():
            values = np.array([[point[key] for point in r["curve"]] for r in own])
            panels[title][name] = (steps, values)
    plot_curves(panels, path)
