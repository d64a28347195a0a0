"""Says what is odd in prepared data: `launch/prepare.py --check`."""

import collections
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator

import numpy as np

from signllm_jax.core.errors import ConfigError, DataError
from signllm_jax.core.schema import parse_json, read_as
from signllm_jax.core.skeleton import DWPOSE128, get_layout
from signllm_jax.core.storage import read_regular
from signllm_jax.core.wording import counted
from signllm_jax.corpora.entries import SPLITS
from signllm_jax.corpora.shards import LostClip, prepared_sources
from signllm_jax.data import splits as source
from signllm_jax.poses.plausible import oddities
from signllm_jax.text.language_names import known_code

SCALE_TOLERANCE = 0.2
_SHOWN = 5
# what a signer's size is measured by, in shoulder widths
_ARM = (("right_shoulder", "right_elbow"), ("left_shoulder", "left_elbow"))
_ARM += (("right_elbow", "right_wrist"), ("left_elbow", "left_wrist"))


def check(data_dir: str | os.PathLike, language: str | None = None) -> list[str]:
    """Reads all prepared data once.

    Args:
        data_dir: where it lies.
        language: only this one.

    Returns:
        A line for each oddity, and a last one that says what was read.

    Raises:
        DataError: nothing is prepared there.
    """
    language = known_code(language) if language else None
    found, read, scales = [], [], {}
    for dataset in ("prompt2sign", f"prompt2sign/{DWPOSE128.name}"):
        try:
            codes = source.languages(dataset, data_dir)
        except DataError:
            continue
        for code in codes:
            if language not in (None, code):
                continue
            name = f"{code}{dataset.removeprefix('prompt2sign').replace('/', ' ')}"
            splits = {split: source.open_split(dataset, code, split, data_dir) for split in SPLITS}
            odd, scale = _check_language(splits)
            odd += _gone(code, splits["train"], data_dir)
            found += [f"{name}: {line}" for line in odd]
            if scale:
                scales[name] = scale
            clips = ", ".join(f"{split} {len(opened)}" for split, opened in splits.items())
            read.append(f"{name} ({clips})")
    if not read:
        raise DataError(f"{data_dir}: nothing is prepared there for {language or 'any language'}")
    found += _without_pose(data_dir, language)
    found += _scale(scales)
    count = f"{len(found)} oddities" if found else "nothing odd"
    return [*found, f"{count} in {', '.join(read)}"]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _check_language(splits: dict[str, source.Source]) -> tuple[list[str], float | None]:
    """What is odd in a language, and its median arm length in shoulder widths."""
    lines, arms, odd = [], [], collections.defaultdict(list)
    where = collections.defaultdict(set)
    names = collections.defaultdict(list)
    sources = collections.defaultdict(set)
    empty, short = [], []
    for split, opened in splits.items():
        if not len(opened):
            lines.append(f"no {split} clips")
        for index in range(len(opened)):
            example = opened[index]
            clip = opened.clip_of(example)
            key = hashlib.sha256(clip.positions.tobytes()).digest()
            where[key].add(split)
            names[key].append(opened.ids[index])
            if not clip.observed.any():
                empty.append(opened.ids[index])
            elif len(clip) == 1:
                short.append(opened.ids[index])
            if clip.observed.any():
                sources[key].add(example["source"])
            arms.append(_arm(clip))
            for kind, detail in oddities(clip, opened.texts[index]):
                odd[kind].append(f"{opened.ids[index]} ({detail})")
    for what, ids in (("without any joint", empty), ("of one frame", short)):
        if ids:
            lines.append(f"{counted(len(ids), 'clip')} {what}: {_some(ids)}")
    for kind, ids in odd.items():
        lines.append(f"{len(ids)} of {len(arms)} clips with {kind}: {_some(ids)}")
    twice = [", ".join(names[key]) for key, found in where.items() if len(found) > 1]
    if twice:
        lines.append(f"{counted(len(twice), 'clip')} in several splits: {_some(twice)}")
    lines += _come_twice(sources.values())
    known = {letter for text in splits["train"].texts for letter in text.lower()}
    for split in ("dev", "test"):
        new = {letter for text in splits[split].texts for letter in text.lower()} - known
        if new:
            lines.append(f"characters of {split} that train never has: {' '.join(sorted(new))}")
    arms = [arm for arm in arms if np.isfinite(arm)]
    return lines, float(np.median(arms)) if arms else None


def _come_twice(sources: Iterable[set[str]]) -> Iterator[str]:
    """Clips that several sources have, from the names of the sources that have each clip."""
    several = [tuple(sorted(names)) for names in sources if len(names) > 1]
    for names, count in collections.Counter(several).items():
        verb = "come" if count > 1 else "comes"
        times = "twice" if len(names) == 2 else f"{len(names)} times"
        yield f"{counted(count, 'clip')} {verb} {times} ({', '.join(names)})"


def _gone(language: str, opened: source.Source, data_dir: str | os.PathLike) -> Iterator[str]:
    """Sources whose clips the merged data of a language has, but whose folders are not there."""
    there = prepared_sources(os.path.join(data_dir, "prepared"), language)
    left = [each.source for each in there if each.layout == opened.layout]
    remedy = f"prepare {'another source of ' * bool(left)}{language} again"
    for name in sorted(set(opened.made_of) - set(left)):
        yield f"the merged data has a source that is gone: {name}; {remedy}"


def _arm(clip) -> float:
    """Median length of upper arm plus forearm, in shoulder widths; NaN where none is seen."""
    index = get_layout(clip.layout).index
    axes = 3 if clip.layout != DWPOSE128.name else 2
    parts = []
    for bones in (_ARM[:2], _ARM[2:]):
        lengths = []
        for first, last in bones:
            ends = [index(first), index(last)]
            seen = clip.observed[:, ends].all(axis=1)
            apart = clip.positions[seen][:, ends[0]] - clip.positions[seen][:, ends[1]]
            lengths += np.linalg.norm(apart[:, :axes], axis=-1).tolist()
        parts.append(np.median(lengths) if lengths else np.nan)
    return float(sum(parts))


def _scale(scales: dict[str, float]) -> Iterator[str]:
    """Names languages whose signers' arms are long or short for their shoulders."""
    for flat in (False, True):
        group = {name: arm for name, arm in scales.items() if (DWPOSE128.name in name) == flat}
        usual = np.median(list(group.values())) if group else 0
        for name, arm in group.items():
            if abs(arm / usual - 1) > SCALE_TOLERANCE:
                yield (
                    f"{name}: arms of {arm:.2f} shoulder widths, but {usual:.2f} is the median of "
                    "all languages"
                )


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """What is read of prepare_report.json."""

    lost: tuple[LostClip, ...]


def _without_pose(data_dir, language: str | None) -> Iterator[str]:
    """Texts whose clips were lost, from the reports."""
    for each in prepared_sources(os.path.join(data_dir, "prepared"), language):
        path = each.folder / "prepare_report.json"
        try:
            report = read_as(_Prepared, parse_json(read_regular(path)), path.name, strict=False)
        except (OSError, ConfigError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        lost = [f"{clip.id} ({clip.reason})" for clip in report.lost]
        if lost:
            yield f"{each.language} {each.source}: {len(lost)} texts without a pose: {_some(lost)}"
