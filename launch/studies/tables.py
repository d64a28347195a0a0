"""Markdown tables of the study: mean and standard deviation, or interval, over the seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats

from launch.studies.records import Key
from launch.studies.study import Settings, by_setting
from signllm_jax.core import markdown
from signllm_jax.metrics.catalogue import METRICS
from signllm_jax.metrics.spread import spread

STAGES = ("early", "middle", "late", "end")
TESTED = (("dtw", ".4f"), ("cer", ".3f"), ("hand_travel", ".3f"))


def interval(values: Sequence[float], form: str = ".3f") -> str:
    """Mean and 95% confidence interval by Student's t."""
    mean = np.mean(values)
    if len(values) < 2:
        return f"{mean:{form}}"
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
    return f"{mean:{form}} [{mean - half:{form}}, {mean + half:{form}}]"


def steps_to(curve: Sequence[dict], ratio: float) -> float:
    """Steps after which a curve first reaches a DTW ratio; NaN where it never does.

    Between two points the curve is a straight line.
    """
    index = next((i for i, point in enumerate(curve) if point["dtw"] <= ratio), None)
    if index is None:
        return float("nan")
    around = curve[max(index - 1, 0) : index + 1][::-1]
    ratios, steps = ([point[key] for point in around] for key in ("dtw", "step"))
    return float(np.interp(ratio, ratios, steps))


def stages(curve: Sequence[dict]) -> list[dict]:
    """The points of a curve nearest to a quarter, a half, three quarters and the end."""
    last = curve[-1]["step"]
    wanted = [last * part for part in (0.25, 0.5, 0.75, 1.0)]
    return [min(curve, key=lambda point: abs(point["step"] - step)) for step in wanted]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table, or a note where nothing was run."""
    return markdown.table(head, rows) if rows else "Not run."


def settings_text(values: Mapping) -> str:
    """Settings with their names in a config: `rl eta 0`."""
    texts = []
    for name, value in values.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        texts += [" ".join(filter(None, (name, key, str(x)))) for key, x in inner]
    return ", ".join(texts) or "-"


def overview(
    dev: Mapping[Key, dict],
    clean: Mapping[Key, dict],
    tested: Mapping[Key, dict],
    names: Sequence[str],
    share: float,
) -> str:
    """A row per setting: how soon it reaches the base's end on dev, and its figures on test.

    Args:
        dev: Results on dev.
        clean: Results on dev of runs on clean train clips.
        tested: Results on test.
        names: Names of the settings.
        share: Share of damaged clips.
    """
    reached = [_reached(results, brief=True) for results in (dev, clean)]
    test_runs = {(name, corrupt): runs for name, corrupt, runs in by_setting(tested)}
    rows = []
    for name in names:
        row = [name, *(steps.get(name, "-") for steps in reached)]
        for corrupt in (share, 0.0):
            runs = test_runs.get((name, corrupt), ())
            row.append(_tested(runs, "test")[0])
            row.append(f"{np.mean([r['test']['cer'] for r in runs]):.1%}" if runs else "-")
        rows.append(row)
    head = ["setting", "steps, damaged", "steps, clean"]
    head += [f"{metric}, {kind}" for kind in ("damaged", "clean") for metric in ("DTW", "CER")]
    return table(head, rows)


def on_dev(results: Mapping[Key, dict], name: str) -> str:
    """A setting's DTW ratio at the end on dev."""
    ends = [r["curve"][-1]["dtw"] for (setting, *_), r in results.items() if setting == name]
    return spread(ends) if ends else "not run"


def apart(
    tested: Mapping[Key, dict],
    pair: tuple[str, str],
    corrupt: float,
    metric: str,
    form: str,
    scale: float = 1.0,
) -> str:
    """How far the first of a pair of settings is above the second on test, paired by seed.

    Returns:
        The interval of the differences, empty where no seed has both.
    """
    first, second = (
        {seed: r["test"][metric] for (*key, seed), r in tested.items() if key == [name, corrupt]}
        for name in pair
    )
    seeds = sorted(first.keys() & second.keys())
    return interval([scale * (first[s] - second[s]) for s in seeds], form) if seeds else ""


def apart_line(tested: Mapping[Key, dict], names: Sequence[str], baseline: str, *args: Any) -> str:
    """`apart` of each setting and a baseline, in a line.

    Args:
        tested: Results on test.
        names: Names of the settings.
        baseline: Name of the setting that they are compared with.
        args: Further arguments of `apart`.
    """
    texts = {name: apart(tested, (name, baseline), *args) or "not run" for name in names}
    return ", ".join(f"`{name}` {text}" for name, text in texts.items()) or "not run"


def _reached(results: Mapping[Key, dict], brief: bool = False) -> dict[str, str]:
    """Setting -> the steps after which it reaches the base's end, and how many runs reach it.

    The steps are the mean over the runs that reach it. `brief` leaves out their deviation, and the
    count where all runs reach it.
    """
    base = {seed: r["curve"][-1]["dtw"] for (name, _, seed), r in results.items() if name == "base"}
    cells = {}
    for name, _, runs in by_setting(results):
        steps = [steps_to(r["curve"], base[r["seed"]]) for r in runs if r["seed"] in base]
        reached = [count for count in steps if np.isfinite(count)]
        share = f" ({len(reached)} of {len(steps)})"
        if not reached:
            cells[name] = "never"
        elif brief:
            cells[name] = f"{np.mean(reached):.0f}{share * (len(reached) < len(steps))}"
        else:
            cells[name] = spread(reached, ".0f") + share
    return cells


def training(results: Mapping[Key, dict], settings: Settings) -> str:
    """The changes of each setting, the frames it learns from, and its steps to the base's end."""
    reached, rows = _reached(results), []
    for name, _, runs in by_setting(results):
        frames = spread([r["frames"] for r in runs], ".0f")
        rows.append([name, settings_text(settings[name]), frames, reached[name]])
    head = ["setting", "config", "frames a step", "steps to base's end (runs that reach it)"]
    return table(head, rows)


def by_stage(results: Mapping[Key, dict], key: str) -> str:
    """`dtw` or `loss` at each stage of training."""
    rows = []
    for name, _, runs in by_setting(results):
        curves = [[point[key] for point in stages(r["curve"])] for r in runs]
        rows.append([name, *(spread(values) for values in zip(*curves))])
    return table(["setting", *STAGES], rows)


def auc(results: Mapping[Key, dict]) -> str:
    """How well the errors of train clips separate damaged ones, by kind of error and damage."""
    rows = []
    for name, _, runs in by_setting(results):
        for source in ("teacher_forced", "free_running", "buffer"):
            aucs = [r["auc"][source] for r in runs if source in r.get("auc", {})]
            if aucs:
                values = [spread([auc[kind] for auc in aucs]) for kind in aucs[0]]
                rows.append([name, source.replace("_", " "), *values])
    return table(["setting", "error", "all", "wrong word", "frozen hands", "heavy noise"], rows)


def test(results: Mapping[Key, dict]) -> str:
    """Intervals on test, and the difference to the base with the same seed."""
    rows = []
    for name, corrupt, runs in sorted(by_setting(results), key=lambda item: -item[1]):
        difference = apart(results, (name, "base"), corrupt, "dtw", "+.4f")
        cells = [*_tested(runs, "test"), "-" if name == "base" else difference or "-"]
        rows.append([f"{corrupt:.0%}", name, str(len(runs)), *cells])
    head = ["damaged", "setting", "seeds", "DTW", "CER", "hand travel", "DTW minus base's"]
    return table(head, rows)


def further_dev(results: Mapping[Key, dict], ways: Settings) -> str:
    """DTW on dev before and after further training."""
    rows = []
    for name, _, runs in by_setting(results):
        ends = [[r["curve"][n]["dtw"] for r in runs] for n in (0, -1)]
        change = interval([after - before for before, after in zip(*ends)], "+.4f")
        cells = [*(spread(values, ".4f") for values in ends), change]
        rows.append([name, settings_text(ways[name]), str(len(runs)), *cells])
    return table(["way", "config", "seeds", "DTW before", "DTW after", "change"], rows)


def further_test(results: Mapping[Key, dict]) -> str:
    """Intervals on test: of the run that all ways start from, then of each way, and the change."""
    rows, changed = [], changes(results)
    for name, _, runs in by_setting(results):
        if not rows:
            rows.append(["-", str(len(runs)), *_tested(runs, "start"), "-"])
        rows.append([name, str(len(runs)), *_tested(runs, "test"), changed[name]])
    return table(["way", "seeds", "DTW", "CER", "hand travel", "DTW, change"], rows)


def changes(results: Mapping[Key, dict]) -> dict[str, str]:
    """Way of further training -> the change of DTW on test."""
    return {
        name: interval([r["test"]["dtw"] - r["start"]["dtw"] for r in runs], "+.4f")
        for name, _, runs in by_setting(results)
    }


def demo_line(results: Mapping[Key, dict]) -> str:
    """The demo's CER and DTW for each way of training, in a line."""
    texts = []
    for name, _, runs in by_setting(results):
        figures = [
            f"{METRICS[metric].title} {_overall(runs, metric)}"
            for metric in ("cer", "dtw_mean_pose_ratio")
        ]
        texts.append(f"by `{name}` {', '.join(figures)} ({len(runs)} seeds)")
    return "; ".join(texts) or "not run"


def demo(results: Mapping[Key, dict]) -> str:
    """The demo for each way of training, over its seeds, with the worst language."""
    best = {"cer": 0, "dtw_mean_pose_ratio": 0, "hand_travel_ratio": 1, "duration_ratio": 1}
    rows = []
    for name, _, runs in by_setting(results):
        row = [name, ", ".join(str(r["seed"]) for r in runs)]
        for metric, aim in best.items():
            values = [figures[metric] for r in runs for figures in r["languages"].values()]
            worst = max(values, key=lambda value, aim=aim: abs(value - aim))
            row += [_overall(runs, metric), format(worst, METRICS[metric].form)]
        rows.append([*row, spread([r["cpu_seconds"] for r in runs], ".0f")])
    heads = [head for name in best for head in (METRICS[name].title, "worst")]
    return table(["trained by", "seeds", *heads, "CPU seconds"], rows)


def _overall(runs: Sequence[dict], metric: str) -> str:
    return spread([r["overall"][metric] for r in runs], METRICS[metric].form)


def _tested(runs: Sequence[dict], part: str) -> list[str]:
    return [
        interval([r[part][metric] for r in runs], form)
        if runs and all(metric in r[part] for r in runs)
        else "-"
        for metric, form in TESTED
    ]
