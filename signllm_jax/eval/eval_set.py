"""What a report evaluates: a split's clips and texts of every language, and all rows of clips."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from signllm_jax.artifacts.group import Group, load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import DataError, SignLLMError, TextError
from signllm_jax.data import splits
from signllm_jax.eval import baselines
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.metrics.pairs import held
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.text.tokenizer import normalize_text


@dataclasses.dataclass
class Language:
    """What is evaluated of one language.

    Attributes:
        group: its model.
        train: its train split.
        texts: normalised.
        names: the ids of the clips.
        glosses: '' where there is none.
        ids: token ids of the texts.
        references: real clips.
        excluded: reason -> number of clips left out.
        rows: row -> clips in the order of the texts, None where a row has none.
        cut_off: whether each production was cut off at the longest length bool [N].
    """

    group: Group
    train: splits.Source
    texts: list[str]
    names: list[str]
    glosses: list[str]
    ids: list[list[int]]
    references: list[PoseClip]
    excluded: Counter
    baselines: dict[str, list[PoseClip | None]] = dataclasses.field(default_factory=dict)
    cut_off: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, bool))


def open_languages(
    workdir: Workdir, split: str, data_dir: str | None = None
) -> tuple[dict[str, Language], dict[str, str]]:
    """Loads a run's groups and the clips of `split`.

    Returns:
        The languages that have clips, and of the others code -> why they are skipped.

    Raises:
        CheckpointError: there is no run, or a group has no parameters yet.
        DataError: no language has a clip that can be scored.
    """
    config, codes = workdir.read_config()
    data_dir = data_dir or config.data.data_dir or None
    languages: dict[str, Language] = {}
    skipped: dict[str, str] = {}
    for code in codes:
        group = load_group(workdir.group(code))
        clips = splits.open_split(config.data.dataset, code, split, data_dir)
        train = splits.open_split(config.data.dataset, code, "train", data_dir)
        each = _usable(clips, train, group)
        if each.texts:
            languages[code] = each
        else:
            reasons = ", ".join(f"{n} {why}" for why, n in each.excluded.items())
            skipped[code] = f"no {split} clip" + (f" ({reasons})" if reasons else "")
    if not languages:
        raise DataError(f"{workdir.path}: no clip of {split} can be scored: {skipped}")
    return languages, skipped


def _usable(clips: splits.Source, train: splits.Source, group: Group) -> Language:
    """The clips of a split that can be scored; the others are counted by reason."""
    each = Language(group, train, [], [], [], [], [], Counter())
    for index in range(len(clips)):
        text = normalize_text(clips.texts[index], group.language)
        try:
            ids = group.tokenizer.encode(text) if text else []
            clip = clips.clip(index)
        except TextError:
            each.excluded["text cannot be written"] += 1
            continue
        except SignLLMError:
            each.excluded["pose unreadable"] += 1
            continue
        if not text:
            each.excluded["no text"] += 1
        elif len(ids) > group.row_tokens:
            each.excluded["text too long"] += 1
        elif not len(clip):
            each.excluded["no frames"] += 1
        elif clip.layout != group.statistics.layout:
            each.excluded[f"a {clip.layout} pose"] += 1
        elif not clip.observed.any():
            each.excluded["no joint observed"] += 1
        else:
            each.texts.append(text)
            each.names.append(clips.ids[index])
            each.glosses.append(" ".join(clips.units[index]))
            each.ids.append(ids)
            each.references.append(clip)
    return each


def fill_rows(
    languages: dict[str, Language],
    config: Config,
    seed: int,
    predictions: Mapping[str, Sequence[PoseClip]] | None = None,
) -> None:
    """Makes the clips of all rows.

    Productions come from the texts alone, before a reference is looked at; or they are somebody
    else's `predictions`, by language, and then no row is made by the run's model.
    """
    for each in languages.values():
        trained = [normalize_text(text, each.group.language) for text in each.train.texts]
        nearest = baselines.nearest_texts(each.texts, trained)
        other = baselines.other_clips(len(each.texts), seed)
        pose = each.group.statistics.mean_pose
        each.rows = {
            "ground_truth": each.references,
            "nearest_train": [each.train.clip(index) for index in nearest],
            "random_other": [each.references[i] for i in other] if other else [None],
            "mean_pose": [held(pose, clip) for clip in each.references],
        }
    if predictions is None:
        _produce(languages, config)
    else:
        for code, each in languages.items():
            each.rows["produced"] = list(predictions[code])
            each.rows["teacher_forced"] = [None] * len(each.texts)


def _produce(languages: dict[str, Language], config: Config) -> None:
    """Makes the rows `produced` and `teacher_forced` with the run's models."""
    every = list(languages.values())
    groups = [each.group for each in every]
    statistics = [group.statistics for group in groups]
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    params = jax.device_put(jax.tree.map(lambda *p: np.stack(p), *(g.params for g in groups)))
    batch_size = min(config.eval.batch_size, max(len(each.texts) for each in every))
    producer = Producer(
        config.model,
        [group.tokenizer for group in groups],
        statistics,
        mesh,
        tokens=groups[0].row_tokens,
        max_frames=groups[0].max_frames,
        batch_size=batch_size,
    )
    made = producer(params, [each.texts for each in every])
    ids = [each.ids for each in every]
    real = [each.references for each in every]
    forced = baselines.teacher_forced(config.model, params, ids, real, statistics, mesh, batch_size)
    for each, produced, followed in zip(every, made, forced):
        each.cut_off = np.array([not ended for _, ended in produced], bool)
        each.rows["produced"] = [clip for clip, _ in produced]
        each.rows["teacher_forced"] = followed
