"""Finds oddities in prepared data: `launch/prepare.py --check`."""

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
_ARM = (("shoulder", "elbow"), ("elbow", "wrist"))  # bones that measure the size of a signer


def check(data_dir: str | os.PathLike, language: str | None = None) -> list[str]:
    """Reads all prepared data once.

    Args:
        data_dir: Folder of the prepared data.
        language: Code or name of the only language to check; None = all.

    Returns:
        A line for each oddity, and a last line that lists what was read.

    Raises:
        DataError: Nothing is prepared there.
    """
    language = known_code(language) if language else None
    lines, read, scales = [], [], {}
    for dataset in ("prompt2sign", f"prompt2sign/{DWPOSE128.name}"):
        try:
            codes = source.languages(dataset, data_dir)
        except DataError:
            continue
        for code in codes if language is None else {language}.intersection(codes):
            name = f"{code}{dataset.removeprefix('prompt2sign').replace('/', ' ')}"
            splits = {split: source.open_split(dataset, code, split, data_dir) for split in SPLITS}
            odd, scale = _check_language(splits)
            odd += _gone(code, splits["train"], data_dir)
            lines += [f"{name}: {line}" for line in odd]
            if scale:
                scales[name] = scale
            clips = ", ".join(f"{split} {len(opened)}" for split, opened in splits.items())
            read.append(f"{name} ({clips})")
    if not read:
        raise DataError(f"{data_dir}: nothing is prepared there for {language or 'any language'}")
    lines += _without_pose(data_dir, language)
    lines += _scale(scales)
    count = f"{len(lines)} oddities" if lines else "nothing odd"
    return [*lines, f"{count} in {', '.join(read)}"]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _check_language(splits: dict[str, source.Source]) -> tuple[list[str], float | None]:
    """The oddities of a language, and its median arm length in shoulder widths."""
    lines, arms, odd = [], [], collections.defaultdict(list)
    same = collections.defaultdict(list)  # digest of a clip's poses -> (split, id)
    sources = collections.defaultdict(set)  # digest -> names of its sources
    faults = {"without any joint": [], "of one frame": []}
    for split, opened in splits.items():
        if not len(opened):
            lines.append(f"no {split} clips")
        for index in range(len(opened)):
            example = opened[index]
            clip = opened.clip_of(example)
            key = hashlib.sha256(clip.positions.tobytes()).digest()
            same[key].append((split, opened.ids[index]))
            if clip.observed.any():
                sources[key].add(example["source"])
                if len(clip) == 1:
                    faults["of one frame"].append(opened.ids[index])
            else:
                faults["without any joint"].append(opened.ids[index])
            arms.append(_arm(clip))
            for kind, detail in oddities(clip, opened.texts[index]):
                odd[kind].append(f"{opened.ids[index]} ({detail})")
    for fault, ids in faults.items():
        lines += [f"{counted(len(ids), 'clip')} {fault}: {_some(ids)}"] if ids else []
    for kind, ids in odd.items():
        lines.append(f"{len(ids)} of {len(arms)} clips with {kind}: {_some(ids)}")
    several = (clips for clips in same.values() if len({split for split, _ in clips}) > 1)
    twice = [", ".join(id_ for _, id_ in clips) for clips in several]
    if twice:
        lines.append(f"{counted(len(twice), 'clip')} in several splits: {_some(twice)}")
    lines += _come_twice(sources.values())
    letters = {
        name: {letter for text in splits[name].texts for letter in text.lower()} for name in SPLITS
    }
    for split in ("dev", "test"):
        if new := letters[split] - letters["train"]:
            lines.append(f"characters of {split} that train never has: {' '.join(sorted(new))}")
    arms = [arm for arm in arms if np.isfinite(arm)]
    return lines, float(np.median(arms)) if arms else None


def _come_twice(sources: Iterable[set[str]]) -> Iterator[str]:
    """Clips that come from several sources, given the names of the sources of each clip."""
    several = [tuple(sorted(names)) for names in sources if len(names) > 1]
    for names, count in collections.Counter(several).items():
        verb = "come" if count > 1 else "comes"
        times = "twice" if len(names) == 2 else f"{len(names)} times"
        yield f"{counted(count, 'clip')} {verb} {times} ({', '.join(names)})"


def _gone(language: str, opened: source.Source, data_dir: str | os.PathLike) -> Iterator[str]:
    """Sources in the merged data of a language whose folders are gone."""
    sources = prepared_sources(os.path.join(data_dir, "prepared"), language)
    left = [prepared.source for prepared in sources if prepared.layout == opened.layout]
    remedy = f"prepare {'another source of ' * bool(left)}{language} again"
    for name in sorted(set(opened.made_of) - set(left)):
        yield f"the merged data has a source that is gone: {name}; {remedy}"


def _arm(clip) -> float:
    """Median length of upper arm plus forearm, in shoulder widths; NaN if one is never seen."""
    index = get_layout(clip.layout).index
    axes = 3 if clip.layout != DWPOSE128.name else 2
    parts = []
    for first, last in _ARM:
        lengths = []
        for side in ("right", "left"):
            ends = [index(f"{side}_{first}"), index(f"{side}_{last}")]
            seen = clip.observed[:, ends].all(axis=1)
            apart = clip.positions[seen][:, ends[0]] - clip.positions[seen][:, ends[1]]
            lengths += np.linalg.norm(apart[:, :axes], axis=-1).tolist()
        parts.append(np.median(lengths) if lengths else np.nan)
    return float(sum(parts))


def _scale(scales: dict[str, float]) -> Iterator[str]:
    """Languages whose signers have long or short arms compared with their shoulders."""
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
    """The part of prepare_report.json that is read."""

    lost: tuple[LostClip, ...]


def _without_pose(data_dir, language: str | None) -> Iterator[str]:
    """Texts whose clips were lost, from the reports."""
    for prepared in prepared_sources(os.path.join(data_dir, "prepared"), language):
        path = prepared.folder / "prepare_report.json"
        try:
            report = read_as(_Prepared, parse_json(read_regular(path)), path.name, strict=False)
        except (OSError, ConfigError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        lost = [f"{clip.id} ({clip.reason})" for clip in report.lost]
        if lost:
            name = f"{prepared.language} {prepared.source}"
            yield f"{name}: {len(lost)} texts without a pose: {_some(lost)}"
