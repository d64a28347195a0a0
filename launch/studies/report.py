"""The study's page `docs/replay.md` and figure `docs/replay.png`; `details` has the tables."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from launch.studies import costs, details, signer_tables, tables
from launch.studies.records import Key
from launch.studies.study import DEV_SEEDS, TEST_SEEDS, Study, by_setting
from signllm_jax.artifacts.group import write_file
from signllm_jax.core.errors import DataError
from signllm_jax.eval.plots import plot_curves


def write(study: Study, docs: Path) -> str:
    """Writes the page, the figure and all tables of the finished runs.

    Returns:
        A line that names the page and counts the runs.

    Raises:
        DataError: No run on dev is finished.
    """
    dev = study.results("dev")
    if not dev:
        raise DataError(f"{docs / 'replay'}: no run on dev is finished")
    (docs / "replay").mkdir(parents=True, exist_ok=True)
    shown = {*study.settings, *study.compared()}
    _figure({key: result for key, result in dev.items() if key[0] in shown}, docs)
    write_file(docs / "replay.md", _page(study, docs / "replay").encode())
    details.write(study, docs / "replay", study.best())
    return f"{docs / 'replay.md'}: {len(dev)} runs on dev"


def _page(study: Study, folder: Path) -> str:
    """The page in Markdown; `folder` has the records of what a step costs."""
    config, best, limits = study.config, study.best(), study.limits()
    share = config.data.corrupt
    dev, clean, test = (study.results(stage) for stage in ("dev", "clean", "test"))
    apart = functools.partial(tables.apart_line, test)
    names = list(filter(None, (best, *limits)))
    changes = tables.changes(study.results("finetune-test"))
    changed = "; ".join(f"`{name}` {change}" for name, change in changes.items()) or "not run"
    sampled, more = study.sampled, next(iter(study.reader_ways.values()))["steps"]
    parts = [
        "# Reinforcement learning: what it does here",
        "The paper learns with a reinforcement loss and a **Priority Learning Channel** (PLC): a "
        "share of every batch is drawn from a buffer, clips of a high reward more often, of a low "
        "one never. Written by `launch/ablation.py`, as are [all tables](replay/tables.md).",
        f"Fingerspelling, {config.data.languages[0]}, size {config.size}, {config.train.steps} "
        f"steps of {config.train.batch_size} rows (`configs/ablation.py`). DTW is the ratio to the "
        "mean pose, free-running: 0 is the real clip, 1 the mean pose. CER is a reader's. Steps "
        f"are those to the base's end on dev, {seeds(DEV_SEEDS)}; the rest is test, once, "
        f"{seeds(TEST_SEEDS)}, mean and 95% interval.",
        "## Damaged clips and clean ones",
        f"In {share:.0%} of the train clips the word is wrong, the hands are frozen or the noise "
        "is heavy.",
        tables.overview(dev, clean, test, study.compared(), share),
        "`rl_loss` is the paper's loss alone, `plc` with the channel, `plc_share` with two thirds "
        "of the rows drawn. Without buffer or reward, by `config.loss.robust`, `trimmed_K` leaves "
        "out clips whose error is above K times their batch's median, `clipped_K` counts them as "
        "one at that limit, and `huber_K` counts an error linearly beyond K deviations. "
        "The best of each kind on dev is tested.",
        "- **The loss alone changes nothing.** Its gradient is that of the squared error.\n"
        "- **On damaged clips the channel helps**, and the more the more it draws: damaged clips "
        "fall below the threshold. The choice helps, not the buffer: on "
        f"dev the base ends at DTW {tables.on_dev(dev, 'base')}, drawing all alike at "
        f"{tables.on_dev(dev, 'plc_uniform')}.\n"
        "- **The cheaper explanation is a robust loss.** Clips that fit badly have to count less; "
        "that needs neither buffer nor reward nor draws. At half the median most clips are "
        f"clipped and count about alike. Damaged, DTW against `{best}`: "
        f"{apart(limits, best or 'plc', share, 'dtw', '+.3f')}.\n"
        "- **On clean clips no gain of the channel is shown.** CER against `base`, in points: "
        f"{apart(names, 'base', 0.0, 'cer', '+.1f', 100)}. Five seeds cannot tell 0.2 points. "
        f"DTW: {apart(limits, 'base', 0.0, 'dtw', '+.3f')}.",
        "![DTW ratio and loss on dev over training](replay.png)",
        "## Whom it draws where signers differ",
        f"`{study.signers.data.dataset}`, {study.signers.train.steps} steps, a run for each "
        "`rl.group`, what a clip's quality is compared within. Most and least drawn: "
        f"{signer_tables.drawn_line(study.results('draws'))}. To compare within a text does not "
        "even draws out: of its two takes one is always below the threshold, mostly the harder "
        "signer's.",
        "## The demo",
        "`configs/mlsf.py:fingerspelling`, four languages, clean clips, "
        f"{study.demo.train.steps:,} steps: {tables.demo_line(study.records.read('demo'))}. "
        "The channel costs character errors on these short words, and none on the demo's texts of "
        "1 to 16 letters ([three seeds](results.md)): there the paper's learning is the default.",
        "## Policy gradient",
        "A gradient of the expected reward, free-running, from the demo's "
        f"{study.demo.data.languages[0]} trained on for {study.finetune_steps} steps. Change of "
        f"DTW on test, of the best ways on dev: {changed}. No way was better than to stop.",
        "Over samples of a latent, with a reader's log-probability of the text as the reward: "
        f"`{sampled.data.dataset}`, {sampled.train.steps:,} steps, then {more} more; all "
        "seeds have one start. CER on test, in points, by another reader: "
        f"{signer_tables.read_line(study.results('reader'))}. This helps: latents that read well "
        "become likelier, and diversity does not fall.",
        "## What it costs",
        "The channel is inside the compiled step, without a further collective. A step on a CPU, "
        f"against one without: {costs.measured_line(folder)}; TPUs are among the tables.",
        "## What is not shown",
        "- Whether these short runs of one language speak for long ones.\n"
        "- Damage of other kinds and shares.\n"
        "- Whether a model of many signers is better for an even draw.\n"
        "- Whether a reader's reward still gains at a training's end, and what it does to tempo.",
    ]
    return "\n\n".join(parts) + "\n"


def seeds(chosen: Sequence[int]) -> str:
    """`seeds 0 to 2`."""
    return f"seeds {chosen[0]} to {chosen[-1]}"


def _figure(results: Mapping[Key, dict], docs: Path) -> None:
    titles = {"dtw": "DTW ratio to the mean pose, dev", "loss": "teacher-forced frame error, dev"}
    panels: dict[str, dict] = {title: {} for title in titles.values()}
    for name, _, runs in by_setting(results):
        steps = [point["step"] for point in runs[0]["curve"]]
        for key, title in titles.items():
            values = np.array([[point[key] for point in run["curve"]] for run in runs])
            panels[title][name] = (steps, values)
    plot_curves(panels, docs / "replay.png")
