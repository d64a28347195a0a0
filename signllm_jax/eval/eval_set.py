"""What a report evaluates: a split's clips and texts of every language, and all rows of clips."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import jax
import numpy as np

from signllm_jax.artifacts.group import Group, load_group
from signllm_jax.artifacts.workdir import Workdir
from signllm_jax.core.config import Config
from signllm_jax.core.errors import DataError, SignLLMError, TextError
from signllm_jax.data import splits
from signllm_jax.data.examples import Clips
from signllm_jax.eval import baselines
from signllm_jax.inference.text_to_pose import Producer
from signllm_jax.metrics.pairs import held
from signllm_jax.parallel import sharding
from signllm_jax.poses.clip import PoseClip
from signllm_jax.poses.features import Statistics
from signllm_jax.text.tokenizer import Tokenizer, normalize_text


@dataclasses.dataclass
class Language:
    """What is evaluated of one language.

    Attributes:
        train: Its train split.
        tokenizer: Tokenizer that its readers write with; None where nothing is read.
        statistics: Statistics of its train clips.
        texts: Texts, normalized.
        names: Ids of the clips.
        glosses: Glosses, empty where there are none.
        references: Real clips.
        ids: Token ids that the model reads for each text.
        corpus_texts: Texts as the corpus has them.
        excluded: Reason -> number of clips left out.
        rows: Row -> clips in the order of the texts, None where a row has none.
        cut_off: Whether each production was cut off at the greatest length, bool [N].
    """

    train: Clips
    tokenizer: Tokenizer | None
    statistics: Statistics
    texts: list[str] = dataclasses.field(default_factory=list)
    names: list[str] = dataclasses.field(default_factory=list)
    glosses: list[str] = dataclasses.field(default_factory=list)
    references: list[PoseClip] = dataclasses.field(default_factory=list)
    ids: list[list[int]] = dataclasses.field(default_factory=list)
    corpus_texts: list[str] = dataclasses.field(default_factory=list)
    excluded: Counter = dataclasses.field(default_factory=Counter)
    rows: dict[str, Sequence[PoseClip | None]] = dataclasses.field(default_factory=dict)
    cut_off: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, bool))

    def keep(self, chosen: Sequence[int]) -> None:
        """Keeps the clips of the indices `chosen` only; call it before there are rows."""
        for field in ("texts", "names", "glosses", "references", "ids", "corpus_texts"):
            values = getattr(self, field)
            setattr(self, field, [values[index] for index in chosen] if values else [])

    def set_produced(self, produced: Sequence[tuple[PoseClip, bool]]) -> None:
        """Makes the row `produced` of clips and whether each ended by itself."""
        self.rows["produced"] = [clip for clip, _ in produced]
        self.cut_off = np.array([not ended for _, ended in produced], bool)

    def whole(self, row: str) -> Sequence[PoseClip]:
        """The clips of a row that has one for every text, such as `produced`."""
        return cast(Sequence[PoseClip], self.rows[row])

    def encode(self, text: str) -> list[int]:
        """The token ids that its readers have for a text; none where nothing is read."""
        return [] if self.tokenizer is None else self.tokenizer.encode(text)


@dataclasses.dataclass
class EvalSet:
    """All that a report evaluates.

    Attributes:
        config: Config of the run.
        languages: Code -> what is evaluated.
        skipped: Code of a language without a clip -> reason.
        groups: Name -> group of the run.
        spelled: Whether texts are words that are spelled letter by letter.
        produce: Fills the rows of the run's own model from the texts only; returns further rows
            and facts of the report.
        alike: Whether languages have equal weights in the figures over all of them, and a text
            without a production counts as the mean pose; otherwise clips are pooled.
    """

    config: Config
    languages: dict[str, Language]
    skipped: dict[str, str]
    groups: dict[str, Group]
    spelled: bool
    produce: Callable[["EvalSet"], tuple[dict[str, Any], dict[str, Any]]]
    alike: bool = False


def open_texts(workdir: Workdir, split: str, data_dir: str | None = None) -> EvalSet:
    """Loads the groups of a run, a group for each language, and the clips of `split`.

    Raises:
        CheckpointError: There is no run, or a group has no parameters yet.
        DataError: No language has a clip that can be scored.
    """
    config, codes = workdir.read_config()
    groups = {code: load_group(workdir.group(code), reading=config.reader) for code in codes}
    folder = data_dir or config.data.data_dir or None
    languages = {}
    for code, group in groups.items():
        clips, train = (
            splits.open_split(config.data.dataset, code, name, folder) for name in (split, "train")
        )
        languages[code] = Language(train, group.needed_tokenizer, group.needed_statistics)
        add_clips(languages[code], clips, group.needed_tokenizer.encode, group.row_tokens)
    evaluated = EvalSet(config, languages, {}, groups, config.text.kind == "letters", _produce)
    skip_empty(evaluated, workdir, split)
    return evaluated


def skip_empty(evaluated: EvalSet, workdir: Workdir, split: str) -> None:
    """Moves languages without a clip to `skipped`, with the reason.

    Raises DataError when no language has a clip, and says what can be scored instead.
    """
    for code, language in list(evaluated.languages.items()):
        if not language.texts:
            reasons = ", ".join(f"{n} {why}" for why, n in language.excluded.items())
            evaluated.skipped[code] = f"no {split} clip" + (f" ({reasons})" if reasons else "")
            del evaluated.languages[code]
    if not evaluated.languages:
        reasons = "; ".join(f"{code}: {why}" for code, why in evaluated.skipped.items())
        instead = "" if split == "train" else "; clips trained on are scored by --split=train"
        raise DataError(f"{workdir.path}: no clip of {split} can be scored: {reasons}{instead}")


def add_clips(
    language: Language,
    clips: Clips,
    encode: Callable[[str], list[int]] | None = None,
    longest: int = 0,
    limit: int = 0,
) -> None:
    """Adds the clips of a split that can be scored, and counts the others by reason.

    Args:
        language: Language that they are added to.
        clips: Clips of the split.
        encode: Normalized text -> token ids; None where a model reads something else.
        longest: Greatest number of token ids that the model reads.
        limit: Greatest number of clips that are looked at, 0 = all.
    """
    for index in range(min(len(clips), limit) if limit else len(clips)):
        text = normalize_text(clips.texts[index], clips.language)
        try:
            ids = encode(text) if text and encode else []
            clip = clips.clip(index)
        except SignLLMError as error:
            unwritable = isinstance(error, TextError)
            reason = "text cannot be written" if unwritable else "pose unreadable"
            language.excluded[reason] += 1
            continue
        problems = {
            "no text": not text,
            "text too long": len(ids) > longest and encode,
            "no frames": not len(clip),
            f"a {clip.layout} pose": clip.layout != language.statistics.layout,
            "no joint observed": not clip.observed.any(),
        }
        if reasons := [reason for reason, applies in problems.items() if applies]:
            language.excluded[reasons[0]] += 1
        else:
            language.texts.append(text)
            language.corpus_texts.append(clips.texts[index])
            language.names.append(clips.ids[index])
            language.glosses.append(" ".join(clips.units[index]))
            language.ids.append(ids)
            language.references.append(clip)


def fill_rows(
    evaluated: EvalSet,
    seed: int,
    predictions: Mapping[str, Sequence[PoseClip]] | None = None,
    with_own_model: bool = False,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Makes the clips of all rows.

    Productions are made from the texts only, before a reference is looked at. Where there are
    `predictions` of another system (by language), these are the productions, and the run's model
    makes the row `own_model` only, if `with_own_model` is set.

    Returns:
        Further rows of the report and further facts.
    """
    for code, language in evaluated.languages.items():
        trained = [normalize_text(text, code) for text in language.train.texts]
        nearest = baselines.nearest_texts(language.texts, trained)
        partners = baselines.other_clips(len(language.texts), seed)
        pose = language.statistics.mean_pose
        language.rows = {
            "ground_truth": language.references,
            "nearest_train": [language.train.clip(index) for index in nearest],
            "random_other": [language.references[i] for i in partners] if partners else [None],
            "mean_pose": [held(pose, clip) for clip in language.references],
        }
    if predictions is None:
        return evaluated.produce(evaluated)
    copies = {c: dataclasses.replace(lang, rows={}) for c, lang in evaluated.languages.items()}
    if with_own_model:
        evaluated.produce(dataclasses.replace(evaluated, languages=copies))
    for code, language in evaluated.languages.items():
        language.rows["produced"] = list(predictions[code])
        if with_own_model:
            language.rows["own_model"] = copies[code].rows["produced"]
    return {}, {}


def _produce(evaluated: EvalSet) -> tuple[dict[str, Any], dict[str, Any]]:
    """Makes the rows `produced` and `teacher_forced` with a model for each language."""
    config, languages = evaluated.config, list(evaluated.languages.values())
    groups = [evaluated.groups[code] for code in evaluated.languages]
    statistics = [language.statistics for language in languages]
    mesh = sharding.make_mesh({}, jax.local_devices()[:1])
    params = jax.device_put(jax.tree.map(lambda *p: np.stack(p), *(g.params for g in groups)))
    texts = [language.texts for language in languages]
    batch_size = min(config.eval.batch_size, max(map(len, texts)))
    productions = Producer(groups, mesh, batch_size)(params, texts)
    ids = [language.ids for language in languages]
    real = [language.references for language in languages]
    forced = baselines.teacher_forced(config.model, params, ids, real, statistics, mesh, batch_size)
    for language, produced, followed in zip(languages, productions, forced):
        language.set_produced(produced)
        language.rows["teacher_forced"] = followed
    return {}, {}
