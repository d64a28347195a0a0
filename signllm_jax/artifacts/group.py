"""A language's group at rest: parameters, tokenizer and statistics in `groups/<language>/`.

This is what producing, serving, fine-tuning and extending read; checkpoints are for resuming
only. `group.json` names the parameter file and its digest and is renamed into place last, so a
group is either the old one or the new one.
"""

import dataclasses
import hashlib
import json
import os
import re
import shutil
from typing import Any, TypeVar

import flax.serialization
import jax
import numpy as np

from signllm_jax.artifacts.compact import FORMS, compact, restore
from signllm_jax.artifacts.group_file import DESCRIPTION, PARAMS, check_sizes, read_description
from signllm_jax.core.buckets import write_object
from signllm_jax.core.config import ModelConfig, ReadingConfig
from signllm_jax.core.errors import CheckpointError, ConfigError, DataError, TextError, reason
from signllm_jax.core.languages import LANGUAGES, add_language
from signllm_jax.core.plain_files import check_folder, read_plain
from signllm_jax.core.storage import AnyPath, as_path, is_remote
from signllm_jax.core.typing import Tree
from signllm_jax.models import shapes
from signllm_jax.poses.features import Statistics
from signllm_jax.text.stage import TextStage
from signllm_jax.text.tokenizer import Tokenizer

_TOKENIZER = "tokenizer.model"
_FILES = re.compile(rf"group\.json|tokenizer\.model|{PARAMS}")
_MOST = 1 << 26  # bytes of a tokenizer
_DESCRIBED = (
    *("language", "model", "tokenizer", "statistics", "text_stage", "dataset", "max_frames"),
    *("row_tokens", "step", "dev_score", "glosses", "trained_tokens", "signs"),
)  # attributes of a group that are keys of group.json, in that order
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Group:
    """The model of one lane with everything that is needed to use it.

    Attributes:
        language: Language code, or the name of the lane that all languages share.
        model: Sizes of the model.
        tokenizer: Tokenizer of the language; None if the pose stage reads LangGloss or there is no
            pose stage.
        statistics: Statistics of the train clips; None if the model has no poses.
        dataset: Name of the data set that the model was trained on.
        max_frames: Length in frames of the longest clip that the model may produce.
        row_tokens: Length in tokens of the longest text that the model reads.
        params: Parameters without the language axis; None before the first evaluation.
        step: Training step of the parameters.
        dev_score: The task's lead metric on dev at that step (MLSF: see `eval/judge.py`).
        glosses: Glosses of the language's train clips, for a reader with a gloss head.
        trained_tokens: Fewest and most tokens of a train text (or line), where texts are spelled:
            `produce` refuses other lengths. None if the lengths are not known.
        text_stage: Text stage, which reads texts and prompts and writes LangGloss; None if the
            model has none.
        signs: Signs that the train texts list one after the other; empty if they list none.
    """

    language: str
    model: ModelConfig
    tokenizer: Tokenizer | None
    statistics: Statistics | None
    dataset: str
    max_frames: int
    row_tokens: int
    params: Tree = None
    step: int = 0
    dev_score: float | None = None
    glosses: tuple[str, ...] = ()
    trained_tokens: tuple[int, int] | None = None
    text_stage: TextStage | None = None
    signs: tuple[str, ...] = ()

    @property
    def needed_tokenizer(self) -> Tokenizer:
        """The tokenizer; raises CheckpointError where there is none."""
        return self._needed(self.tokenizer, "tokenizer")

    @property
    def needed_statistics(self) -> Statistics:
        """The statistics; raises CheckpointError where there are none."""
        return self._needed(self.statistics, "statistics")

    @property
    def needed_text_stage(self) -> TextStage:
        """The text stage; raises CheckpointError where there is none."""
        return self._needed(self.text_stage, "text stage")

    def _needed(self, part: T | None, name: str) -> T:
        if part is None:
            raise CheckpointError(f"the group {self.language} has no {name}")
        return part

    @property
    def description(self) -> dict[str, Any]:
        """All but the parameters and the tokenizer's own file, ready for JSON."""
        stage = self.text_stage
        codes = (self.language,) if stage is None else stage.vocabulary.languages
        return {name: getattr(self, name) for name in _DESCRIBED} | {
            "model": dataclasses.asdict(self.model),
            "tokenizer": None if self.tokenizer is None else self.tokenizer.kind,
            "statistics": None if self.statistics is None else self.statistics.to_dict(),
            "text_stage": None if stage is None else stage.to_dict(),
            "registry": [dataclasses.asdict(LANGUAGES[c]) for c in codes if c in LANGUAGES],
        }


def check_trained(group: Group, count: int, text: str) -> None:
    """Raises TextError for a text that is longer or shorter than all texts of the group's training.

    Args:
        group: The group of the model.
        count: Number of letters and pauses of the text.
        text: The text to sign.
    """
    fewest, most = group.trained_tokens or (count, count)
    if not fewest <= count <= most:
        raise TextError(
            f"{text[:40]!r} has {count} letters and pauses: this model was trained on texts of "
            f"{fewest} to {most} and would misspell it",
            "long" if count > most else "short",
        )


def digest(params: Tree) -> str:
    """SHA-256 over the names, shapes and bytes of all parameters."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        leaf = np.asarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {leaf.shape} {leaf.dtype}".encode())
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()


def write_file(path: AnyPath, data: bytes) -> None:
    """Writes a file beside `path` and renames it: a reader sees the old file or the whole new one.

    On a bucket the file is written in place, since it appears there only when it is complete.
    """
    if is_remote(path):
        write_object(path, data)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.unlink(missing_ok=True)  # of a process that was killed, or a link that waits here
        with open(beside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise CheckpointError(f"{path}: cannot be written: {reason(error)}") from None


def save_group(folder: str | os.PathLike, group: Group, stored: str = FORMS[0]) -> None:
    """Writes a group to `folder`; older parameters are removed after the new ones are in place.

    Args:
        folder: Folder of the group.
        group: The group, with or without parameters.
        stored: Number format of the stored parameters, one of `compact.FORMS`.
    """
    folder = as_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if group.tokenizer is not None:
        write_file(folder / _TOKENIZER, group.tokenizer.model)
    described, name = group.description | {"params": None}, ""
    if group.params is not None:
        name = f"params-{group.step}.msgpack"
        written = params = group.params
        if stored != FORMS[0]:
            written = compact(params)
            params = restore(written)
        write_file(folder / name, flax.serialization.msgpack_serialize(written))
        described["params"] = {"file": name, "sha256": digest(params), "stored": stored}
    write_file(folder / DESCRIPTION, json.dumps(described, indent=1).encode())
    for old in folder.glob("params-*.msgpack"):
        if re.fullmatch(PARAMS, old.name) and old.name != name:
            old.unlink()


def copy_group(source: str | os.PathLike, target: AnyPath) -> None:
    """Copies a group's files byte for byte; its folder appears when it is whole.

    Whatever else lies in the source is left there.

    Raises CheckpointError when it cannot be read or written, or one of its files is a link or no
    regular file.
    """
    source = as_path(source)
    try:
        check_folder(source)
        names = sorted(file.name for file in source.iterdir() if _FILES.fullmatch(file.name))
        files = {name: read_plain(source, name) for name in names}
    except OSError as error:
        raise CheckpointError(f"{source}: cannot be copied ({reason(error)})") from None
    if is_remote(target):  # a group is there when group.json is, which is written last
        for name in sorted(files, key=lambda name: name == DESCRIPTION):
            write_file(target / name, files[name])
        return
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
    try:
        beside.mkdir(parents=True)
        for name, data in files.items():
            (beside / name).write_bytes(data)
        os.rename(beside, target)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise CheckpointError(f"{target}: cannot be written: {reason(error)}") from None


def load_group(
    folder: str | os.PathLike, with_params: bool = True, reading: ReadingConfig | None = None
) -> Group:
    """Reads a group, and adds its language to the registry if the registry has no such entry.

    Args:
        folder: Folder of the group, `groups/<language>` of a run.
        with_params: Whether the parameters are read as well.
        reading: `config.reader` of the run.

    Raises CheckpointError naming the file that is missing or damaged.
    """
    folder = as_path(folder)
    try:
        check_folder(folder)
        description = read_description(folder)
        for entry in description.registry:
            if entry.code not in LANGUAGES:
                add_language(entry)
        parts: dict[str, Any] = {name: getattr(description, name) for name in _DESCRIBED}
        if description.tokenizer is not None:
            model = read_plain(folder, _TOKENIZER, _MOST)
            parts["tokenizer"] = Tokenizer(model, description.tokenizer, description.language)
        group = Group(**parts)
        check_sizes(description, group.tokenizer)
    except (OSError, RuntimeError, ConfigError, DataError) as error:
        raise CheckpointError(f"{folder}: no readable group ({reason(error)})") from None
    if not with_params:
        return group
    stored = description.params
    if stored is None:
        raise CheckpointError(f"{folder}: the group has no parameters yet: it was never evaluated")
    file = folder / stored.file
    try:
        params = flax.serialization.msgpack_restore(read_plain(folder, stored.file))
        if stored.stored != FORMS[0]:
            params = restore(params)
    except Exception as error:  # msgpack raises many kinds
        raise CheckpointError(f"{file}: cannot be read ({reason(error)})") from None
    if difference := shapes.difference(params, group.model, group.text_stage, reading):
        raise CheckpointError(f"{file}: has not the sizes of group.json: {difference}")
    if digest(params) != stored.sha256:
        raise CheckpointError(f"{file}: is damaged: its digest is not the one in group.json")
    return dataclasses.replace(group, params=params)
