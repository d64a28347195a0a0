"""The pictures of reports, as png: training, languages, lengths, costs, a strip of clips."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from signllm_jax.core.errors import ConfigError, DataError, OutputError
from signllm_jax.core.plain_files import replacing
from signllm_jax.core.schema import bounded, parse_json, read_as
from signllm_jax.core.storage import AnyPath, read_regular
from signllm_jax.core.wording import how_to_install
from signllm_jax.metrics.catalogue import METRICS, known
from signllm_jax.poses.clip import PoseClip


def _axes(width: float = 6.4, height: float = 3.8, count: int = 1):
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise OutputError(f"plots need matplotlib: {how_to_install('demo')}") from None
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = [figure.add_subplot(1, count, number + 1) for number in range(count)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _save(write: Callable[..., None], path: AnyPath, **options) -> AnyPath:
    with replacing(path) as part:
        write(part, format="png", **options)
    return path


@dataclasses.dataclass(frozen=True)
class _Line:
    """The part of a line of metrics.jsonl that is read."""

    kind: str
    step: int = bounded(low=0, high=1 << 40)


@dataclasses.dataclass(frozen=True)
class _Scores:
    """The part of a language's entry in such a line that is read."""

    dtw_mean_pose_ratio: float | None = bounded(None, low=0.0, high=1e12)


def plot_training(metrics: AnyPath, languages: Sequence[str], path: AnyPath) -> AnyPath | None:
    """Plots DTW / mean pose on dev over the steps of training, one line per language.

    Args:
        metrics: The run's metrics.jsonl.
        languages: Codes of the languages.
        path: Path of the picture.

    Returns:
        `path`, or None where the run has no such metrics.

    Raises:
        DataError: The metrics cannot be read.
    """
    lines: dict[str, list[tuple[int, float]]] = {code: [] for code in languages}
    try:
        logged_lines = read_regular(metrics).splitlines() if metrics.exists() else ()
    except OSError as error:
        raise DataError(f"{metrics}: cannot be read: {error.strerror}") from None
    for line in logged_lines:
        with contextlib.suppress(ConfigError):  # a line that was cut off
            values = parse_json(line)
            logged = read_as(_Line, values, metrics.name, strict=False)
            for code in languages if logged.kind == "dev" else ():
                scores = read_as(_Scores, values.get(code) or {}, code, strict=False)
                if scores.dtw_mean_pose_ratio is not None:
                    lines[code].append((logged.step, scores.dtw_mean_pose_ratio))
    if not any(lines.values()):
        return None
    figure, (axes,) = _axes()
    for code, points in lines.items():
        if points:
            axes.plot(*zip(*points), marker="o", markersize=3, label=code)
    axes.set(xlabel="step", ylabel="DTW / mean pose", yscale="log", title="dev words, free-running")
    axes.legend(frameon=False)
    return _save(figure.savefig, path, metadata={"Software": None})


def plot_languages(
    metrics: Mapping[str, Mapping[str, float]], names: Sequence[str], path: AnyPath
) -> AnyPath:
    """Plots bars of the main ratios of every language, with their intervals.

    Args:
        metrics: Language -> flat metrics.
        names: Metrics that are shown, where a language has them.
        path: Path of the picture.
    """
    shown = {METRICS[name].title: name for name in known(names, metrics.values())}
    figure, (axes,) = _axes(1.6 + 1.5 * max(len(metrics), 3))
    ticks = np.arange(len(metrics))
    width = 0.8 / max(len(shown), 1)
    for number, (label, name) in enumerate(shown.items()):
        values = [m.get(name, math.nan) for m in metrics.values()]
        low = [m.get(f"{name}_low", m.get(name, math.nan)) for m in metrics.values()]
        high = [m.get(f"{name}_high", m.get(name, math.nan)) for m in metrics.values()]
        reach = np.maximum([np.subtract(values, low), np.subtract(high, values)], 0)
        at = ticks + (number - (len(shown) - 1) / 2) * width
        axes.bar(at, values, width * 0.92, label=label)
        axes.errorbar(at, values, reach, fmt="none", ecolor="0.3", elinewidth=1, capsize=2)
    axes.set_xticks(ticks, list(metrics))
    axes.set(title="lower is better; lines: 95% bootstrap intervals over clips")
    figure.legend(loc="outside lower center", ncols=len(shown), frameon=False)
    return _save(figure.savefig, path, metadata={"Software": None})


def plot_lengths(
    lengths: Mapping[str, tuple[Sequence[float], Sequence[float]]], path: AnyPath
) -> AnyPath:
    """Plots produced duration against real duration, one point per clip.

    Args:
        lengths: Language -> (seconds of the references, seconds of the productions).
        path: Path of the picture.
    """
    figure, (axes,) = _axes(4.6, 4.2)
    for code, (real, made) in lengths.items():
        axes.scatter(real, made, s=12, alpha=0.6, label=code)
    values = [seconds for pair in lengths.values() for side in pair for seconds in side]
    ends = [0.95 * min(values, default=0), 1.05 * max(values, default=1)]
    axes.plot(ends, ends, color="0.6", linewidth=1, zorder=0)
    axes.set(xlabel="real clip (s)", ylabel="produced clip (s)", title="length")
    axes.legend(frameon=False)
    return _save(figure.savefig, path, metadata={"Software": None})


def strip(clips: Sequence[tuple[str, PoseClip, PoseClip]], path: AnyPath) -> AnyPath | None:
    """Draws contact strips one below the other.

    Args:
        clips: Text above the strip, produced clip and reference.
        path: Path of the picture.

    Returns:
        `path`, or None when no clip has frames.
    """
    from PIL import Image

    from signllm_jax.render.figure import contact_strip

    images = [
        contact_strip(produced, reference, text, height=170)
        for text, produced, reference in clips
        if len(produced) and len(reference)
    ]
    if not images:
        return None
    size = (max(image.width for image in images), sum(image.height for image in images))
    page = Image.new("RGB", size, images[0].getpixel((0, 0)))
    top = 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height
    return _save(page.save, path)


def plot_curves(
    panels: Mapping[str, Mapping[str, tuple[Sequence[int], np.ndarray]]], path: AnyPath
) -> AnyPath:
    """Plots means over runs with their deviations as bands, over the steps of training.

    Args:
        panels: Title -> name of the line -> the steps and the values [runs, steps], above 0.
        path: Path of the picture.
    """
    figure, all_axes = _axes(4.8 * len(panels), 3.8, len(panels))
    for axes, (title, lines) in zip(all_axes, panels.items()):
        for name, (steps, values) in lines.items():
            mean, deviation = values.mean(0), values.std(0)
            (line,) = axes.plot(steps, mean, label=name)
            band = (steps, mean - deviation, mean + deviation)
            axes.fill_between(*band, color=line.get_color(), alpha=0.12)
        axes.set_title(title, fontsize="medium")
        axes.set(xlabel="steps", yscale="log")
    axes.legend(frameon=False, fontsize="x-small")
    return _save(figure.savefig, path, metadata={"Software": None})


def plot_costs(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], path: AnyPath
) -> AnyPath:
    """Plots the milliseconds of a train step against the size of the work, in powers of two.

    Args:
        panels: Label of the size -> name of the line -> (size, milliseconds).
        path: Path of the picture.
    """
    figure, all_axes = _axes(4.4 * len(panels), 3.6, len(panels))
    for axes, (label, lines) in zip(all_axes, panels.items()):
        for name, points in lines.items():
            axes.plot(*zip(*points), marker="o", markersize=3, label=name)
        axes.set_xscale("log", base=2)
        axes.set(xlabel=label, ylabel="ms a step", ylim=(0, None))
        axes.legend(frameon=False)
    return _save(figure.savefig, path, metadata={"Software": None})
