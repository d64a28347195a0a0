"""Tables of the study, in Markdown: mean and deviation or interval over seeds."""

from collections.abc import Mapping, Sequence

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
    """Steps after which a curve first reaches a DTW ratio, between its points by a straight
    line; NaN when it never does."""
    before = None
    for point in curve:
        if point["dtw"] <= ratio:
            if before is None:
                return float(point["step"])
            part = (before["dtw"] - ratio) / max(before["dtw"] - point["dtw"], 1e-12)
            return before["step"] + part * (point["step"] - before["step"])
        before = point
    return float("nan")


def stages(curve: Sequence[dict]) -> list[dict]:
    """The points of a curve nearest to a quarter, a half, three quarters and the end."""
    last = curve[-1]["step"]
    wanted = [last * part for part in (0.25, 0.5, 0.75, 1.0)]
    return [min(curve, key=lambda point: abs(point["step"] - step)) for step in wanted]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table, or a word that there is none."""
    return markdown.table(head, rows) if rows else "Not run."


def told(values: Mapping) -> str:
    """Settings as they stand in a config: `rl.eta 0`."""
    said = []
    for name, value in values.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        said += [" ".join(filter(None, (name, key, str(x)))) for key, x in inner]
    return ", ".join(said) or "-"


def overview(
    dev: Mapping[Key, dict],
    clean: Mapping[Key, dict],
    tested: Mapping[Key, dict],
    names: Sequence[str],
    share: float,
) -> str:
    """A line a setting: how fast it comes to the base's end on dev, and what it reaches on test.

    Args:
        dev: results on dev.
        clean: the same of clean train clips.
        tested: results on test.
        names: of the settings.
        share: of damaged clips.
    """
    reached = [_reached(results, brief=True) for results in (dev, clean)]
    own_test = {(name, corrupt): own for name, corrupt, own in by_setting(tested)}
    rows = []
    for name in names:
        row = [name, *(steps.get(name, "-") for steps in reached)]
        for corrupt in (share, 0.0):
            own = own_test.get((name, corrupt), ())
            row.append(_tested(own, "test")[0])
            row.append(f"{np.mean([r['test']['cer'] for r in own]):.1%}" if own else "-")
        rows.append(row)
    head = ["setting", "steps, damaged", "steps, clean"]
    head += [f"{metric}, {kind}" for kind in ("damaged", "clean") for metric in ("DTW", "CER")]
    return table(head, rows)


def on_dev(results: Mapping[Key, dict], name: str) -> str:
    """A setting's DTW ratio at the end on dev."""
    ends = [r["curve"][-1]["dtw"] for (own, *_), r in results.items() if own == name]
    return spread(ends) if ends else "not run"


def apart(
    tested: Mapping[Key, dict], pair: tuple[str, str], corrupt: float, metric: str, form: str
) -> str:
    """How far the first of a pair of settings is above the second on test, seed by seed."""
    one, other = (
        {seed: r["test"][metric] for (name, c, seed), r in tested.items() if (name, c) == key}
        for key in ((pair[0], corrupt), (pair[1], corrupt))
    )
    both = sorted(one.keys() & other.keys())
    return interval([one[seed] - other[seed] for seed in both], form) if both else "not run"


def _reached(results: Mapping[Key, dict], brief: bool = False) -> dict[str, str]:
    """Setting -> the steps after which it is where the base ends, and how many runs come there.

    They are the mean over the runs that do; `brief` leaves out its deviation and that all do.
    """
    base = {seed: r["curve"][-1]["dtw"] for (name, _, seed), r in results.items() if name == "base"}
    found = {}
    for name, _, own in by_setting(results):
        reach = [steps_to(r["curve"], base[r["seed"]]) for r in own if r["seed"] in base]
        reached = [steps for steps in reach if np.isfinite(steps)]
        if not reached:
            found[name] = "never"
            continue
        some = f" ({len(reached)} of {len(reach)})"
        if brief:
            found[name] = f"{np.mean(reached):.0f}{some * (len(reached) < len(reach))}"
        else:
            found[name] = spread(reached, ".0f") + some
    return found


def training(results: Mapping[Key, dict], settings: Settings) -> str:
    """What each setting is, the frames that it learns from, and its steps to the base's end."""
    reached, rows = _reached(results), []
    for name, _, own in by_setting(results):
        frames = spread([r["frames"] for r in own], ".0f")
        rows.append([name, told(settings[name]), frames, reached[name]])
    head = ["setting", "config", "frames a step", "steps to base's end (runs that reach it)"]
    return table(head, rows)


def by_stage(results: Mapping[Key, dict], key: str) -> str:
    """`dtw` or `loss` at each part of training."""
    rows = []
    for name, _, own in by_setting(results):
        curves = [[point[key] for point in stages(r["curve"])] for r in own]
        rows.append([name, *(spread(values) for values in zip(*curves))])
    return table(["setting", *STAGES], rows)


def auc(results: Mapping[Key, dict]) -> str:
    """How well errors of the train clips tell damaged ones, of each kind of error and damage."""
    rows = []
    for name, _, own in by_setting(results):
        for source in ("teacher_forced", "free_running", "buffer"):
            found = [r["auc"][source] for r in own if source in r.get("auc", {})]
            if found:
                values = [spread([f[kind] for f in found]) for kind in found[0]]
                rows.append([name, source.replace("_", " "), *values])
    return table(["setting", "error", "all", "wrong word", "frozen hands", "heavy noise"], rows)


def test(results: Mapping[Key, dict]) -> str:
    """Intervals on test, and the difference to the base with the same seed."""
    rows = []
    base = {(c, seed): r["test"] for (name, c, seed), r in results.items() if name == "base"}
    for name, corrupt, own in sorted(by_setting(results), key=lambda item: -item[1]):
        pairs = [
            r["test"]["dtw"] - base[corrupt, r["seed"]]["dtw"]
            for r in own
            if (corrupt, r["seed"]) in base
        ]
        apart = "-" if name == "base" or not pairs else interval(pairs, "+.4f")
        rows.append([f"{corrupt:.0%}", name, str(len(own)), *_tested(own, "test"), apart])
    head = ["damaged", "setting", "seeds", "DTW", "CER", "hand travel", "DTW minus base's"]
    return table(head, rows)


def further_dev(results: Mapping[Key, dict], ways: Settings) -> str:
    """DTW on dev before and after further training."""
    rows = []
    for name, _, own in by_setting(results):
        ends = [[r["curve"][n]["dtw"] for r in own] for n in (0, -1)]
        change = interval([after - before for before, after in zip(*ends)], "+.4f")
        rows.append([name, told(ways[name]), str(len(own)), *(spread(x, ".4f") for x in ends)])
        rows[-1].append(change)
    return table(["way", "config", "seeds", "DTW before", "DTW after", "change"], rows)


def further_test(results: Mapping[Key, dict]) -> str:
    """Intervals on test, of the run that was trained on first, and the change."""
    rows, first, changed = [], {}, changes(results)
    for name, _, own in by_setting(results):
        first = first or {r["seed"]: {"start": r["start"]} for r in own}
        rows.append([name, str(len(own)), *_tested(own, "test"), changed[name]])
    if rows:
        rows.insert(0, ["-", str(len(first)), *_tested(list(first.values()), "start"), "-"])
    return table(["way", "seeds", "DTW", "CER", "hand travel", "DTW, change"], rows)


def changes(results: Mapping[Key, dict]) -> dict[str, str]:
    """Way of further training -> the change of DTW on test."""
    return {
        name: interval([r["test"]["dtw"] - r["start"]["dtw"] for r in own], "+.4f")
        for name, _, own in by_setting(results)
    }


def demo_line(results: Mapping[Key, dict]) -> str:
    """The demo's CER and DTW, by what it was trained with, in a line."""
    said = []
    for name, _, own in by_setting(results):
        figures = [
            f"{METRICS[metric].title} {spread([r['overall'][metric] for r in own], form)}"
            for metric, form in (("cer", METRICS["cer"].form), ("dtw_mean_pose_ratio", ".3f"))
        ]
        said.append(f"by `{name}` {', '.join(figures)} ({len(own)} seeds)")
    return "; ".join(said) or "not run"


def demo(results: Mapping[Key, dict]) -> str:
    """The demo of several seeds, by what it was trained with, and its worst language."""
    columns = {
        "cer": max,
        "dtw_mean_pose_ratio": max,
        "hand_travel_ratio": _farthest,
        "duration_ratio": _farthest,
    }
    rows = []
    for name, _, own in by_setting(results):
        row = [name, ", ".join(str(r["seed"]) for r in own)]
        for metric, worst in columns.items():
            form = METRICS[metric].form
            row.append(spread([r["overall"][metric] for r in own], form))
            row.append(f"{worst(x[metric] for r in own for x in r['languages'].values()):{form}}")
        rows.append([*row, spread([r["cpu_seconds"] for r in own], ".0f")])
    heads = [part for name in columns for part in (METRICS[name].title, "worst")]
    return table(["trained by", "seeds", *heads, "CPU seconds"], rows)


def _farthest(ratios):
    return max(ratios, key=lambda ratio: abs(ratio - 1))


def _tested(own: Sequence[dict], part: str) -> list[str]:
    return [
        interval([r[part][metric] for r in own], form)
        if own and all(metric in r[part] for r in own)
        else "-"
        for metric, form in TESTED
    ]
