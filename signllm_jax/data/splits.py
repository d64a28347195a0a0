"""Opens the splits of a prepared data set: TFDS array_record folders, read without TensorFlow.

The name of a data set selects configs of the `prompt2sign` builder: `fingerspelling` (or another
spelled data set) selects `<language>_fingerspelling` of every language, `prompt2sign` every
prepared `<language>`, `prompt2sign/dwpose128` every `<language>_dwpose128`, and
`prompt2sign/CONFIG` that config, for example `prompt2sign/gsl_phoenix14t`.
Data is in `$SIGNLLM_DATA_DIR`, by default `~/.cache/signllm_jax/data`; a bucket is probed first.
"""

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from signllm_jax.core.errors import DataError, RecordError, SignLLMError
from signllm_jax.core.languages import LANGUAGES
from signllm_jax.core.skeleton import DWPOSE128, OPENPOSE50
from signllm_jax.core.storage import ask_for
from signllm_jax.corpora.embedded import EMBEDDED
from signllm_jax.corpora.fingerspelling import SPLITS
from signllm_jax.corpora.listings import read_columns
from signllm_jax.corpora.published import CORPORA, is_spelled
from signllm_jax.corpora.shards import FOLDER as PREPARED
from signllm_jax.corpora.shards import prepared_sources
from signllm_jax.data.locking import locked
from signllm_jax.poses.clip import PoseClip
from tfds_builders.prompt2sign import Prompt2Sign, Prompt2SignConfig, chosen_sources

FILE_FORMAT = "array_record"


class Source:
    """Random access to the examples of one split of one language.

    Attributes:
        dataset: Name of the data set.
        language: Code of the language.
        split: Name of the split.
        layout: Skeleton layout of the clips.
        ids: Id of every example.
        texts: Text of every example.
        units: Gloss of every example, split at spaces (fingerspelling: its letters).
        lengths: int [n], number of frames T of every example.
        digest: Digest of the listing, and after a space of the records if it was noted.
        made_of: Prepared source -> its digest when the data set was made.
    """

    def __init__(self, builder: tfds.core.DatasetBuilder, dataset: str, language: str, split: str):
        noted: Any = builder.info.metadata  # a MetadataDict of Prompt2Sign
        listed = noted["splits"].get(split, {})
        self.dataset, self.language, self.split = dataset, language, split
        self.layout: str = noted["layout"]
        self.made_of: dict[str, str] = noted.get("sources", {})
        columns, listing = read_columns(builder.data_path, split, listed)
        self.ids, self.texts, self.units, self.lengths = columns
        self._listed_texts = self.texts
        self.digest = f"{listing} {listed.get('records', '')}".strip()
        self._records = ()
        if len(self.ids):
            self._records = builder.as_data_source(
                split=split  # pyright: ignore[reportCallIssue] tfds's decorator hides the argument
            )
        if len(self._records) != len(self.ids):
            raise DataError(
                f"{builder.data_path}: {split} has {len(self._records)} records but its metadata "
                f"lists {len(self.ids)}: delete the folder and prepare it again"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict:
        """Example `index`: strings `id language source text prompt gloss signer`, `fps`,
        `pose` float16 [T, J, 3] in shoulder widths and `confidence` float16 [T, J].

        Raises RecordError if the record cannot be read, and DataError if it is not the one that
        the metadata lists.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        index = int(index) % len(self)
        try:
            record = self._records[index]
        except (OSError, RuntimeError, ValueError) as error:
            raise RecordError(f"{self.ids[index]}: the record cannot be read ({error})") from None
        example = {
            key: value.decode() if isinstance(value, bytes) else value
            for key, value in record.items()
        }
        example["fps"] = float(example["fps"])
        listed = (self.ids[index], self._listed_texts[index], self.lengths[index])
        if (example["id"], example["text"], len(example["pose"])) != listed:
            raise DataError(
                f"{self.ids[index]}: the record is not what the metadata of {self.dataset} lists: "
                "delete the prepared folder and prepare it again"
            )
        return example

    def sound_examples(self, most: int) -> Iterator[dict]:
        """All examples except those with damaged records.

        Raises DataError if more than `most` records are damaged, and as for indexing.
        """
        damaged = 0
        for index in range(len(self)):
            try:
                yield self[index]
            except RecordError as error:
                damaged += 1
                if damaged > most:
                    raise DataError(f"{error}: more than config.data.max_bad = {most}") from None

    def clip(self, index: int) -> PoseClip:
        """The poses of example `index`; errors as for indexing."""
        return self.clip_of(self[index])

    def clip_of(self, example: dict) -> PoseClip:
        """The poses of an example returned by indexing."""
        pose, confidence = (example[key].astype(np.float32) for key in ("pose", "confidence"))
        return PoseClip(pose, confidence, example["fps"], self.layout)


def default_data_dir() -> str:
    """`$SIGNLLM_DATA_DIR`, else `~/.cache/signllm_jax/data`."""
    return os.environ.get("SIGNLLM_DATA_DIR") or os.path.expanduser("~/.cache/signllm_jax/data")


def languages(dataset: str, data_dir: str | os.PathLike | None = None) -> tuple[str, ...]:
    """Codes of the languages of a data set; raises DataError if it is unknown or has none.

    Args:
        dataset: Name of the data set.
        data_dir: Folder of the prepared corpora.
    """
    ask_for(data_dir or default_data_dir(), DataError, missing_ok=True)
    if is_spelled(dataset):
        return CORPORA[dataset].languages
    name, _, config = dataset.partition("/")
    if name != Prompt2Sign.name:
        known = ", ".join(filter(is_spelled, CORPORA))
        raise DataError(
            f"unknown data set {dataset!r}: known are {known}, {Prompt2Sign.name}, "
            f"{Prompt2Sign.name}/CONFIG"
        )
    folder = epath.Path(data_dir or default_data_dir())
    if config not in ("", DWPOSE128.name):
        return (_config(dataset, "").language,)
    codes = []
    with _tidy(dataset, "", data_dir):
        for code in LANGUAGES:
            wanted = _config(dataset, code)
            built = (folder / Prompt2Sign.name / wanted.name / str(Prompt2Sign.VERSION)).exists()
            sources = () if built else prepared_sources(folder / PREPARED, code)
            if built or any(source.layout == wanted.layout for source in sources):
                codes.append(code)
    if not codes:
        raise DataError(
            f"{folder}: no language of {dataset!r} is prepared there: run launch/prepare.py"
        )
    return tuple(codes)


def _config(dataset: str, language: str) -> Prompt2SignConfig:
    """The builder config of a language of a data set; raises DataError if it is unknown."""
    if is_spelled(dataset):
        return Prompt2SignConfig(language, dataset)
    config = dataset.partition("/")[2]
    if config in ("", DWPOSE128.name):
        return Prompt2SignConfig(language, layout=config or OPENPOSE50.name)
    name = config.removesuffix(f"_{DWPOSE128.name}")
    layout = OPENPOSE50.name if name == config else DWPOSE128.name
    for code in sorted(LANGUAGES, key=len, reverse=True):
        if f"{name}_".startswith(f"{code}_"):
            return Prompt2SignConfig(code, name[len(code) + 1 :], layout)
    raise DataError(f"unknown data set {dataset!r}: {config!r} begins with no language's code")


def prepare(
    dataset: str, language: str, data_dir: str | os.PathLike | None = None, fresh: bool = False
) -> None:
    """Prepares a language of a data set if it is not prepared yet.

    It may be killed, because it writes to another folder and renames it. If another process is
    preparing the same data, it waits. A bucket has no locks: prepare once before starting hosts.

    Args:
        dataset: Name of the data set.
        language: Code of the language.
        data_dir: Folder of the data.
        fresh: Whether to prepare it again if its sources have changed.

    Raises:
        DataError: The data set or language is unknown, or the folder cannot be written.
    """
    with _tidy(dataset, language, data_dir):
        _prepared_builder(dataset, language, data_dir, fresh)


def open_split(
    dataset: str, language: str, split: str, data_dir: str | os.PathLike | None = None
) -> Source:
    """Opens a split, and prepares the data set first if it is missing.

    Splits are `train`, `dev` and `test`; an embedded data set may have more.

    Raises:
        DataError: The data set, language or split is unknown, or the folder cannot be read.
    """
    known = EMBEDDED[dataset].splits if is_spelled(dataset) else SPLITS
    if split not in known:
        raise DataError(f"unknown split {split!r}: known are {', '.join(known)}")
    with _tidy(dataset, language, data_dir):
        return Source(_prepared_builder(dataset, language, data_dir), dataset, language, split)


def _prepared_builder(dataset, language, data_dir, fresh=False) -> tfds.core.DatasetBuilder:
    """Opens a builder; prepares it if needed, and again if `fresh` and its sources have changed."""
    if language not in languages(dataset, data_dir):
        raise DataError(
            f"the data set {dataset!r} has no language {language!r}: "
            f"it has {', '.join(languages(dataset, data_dir))}"
        )
    folder = epath.Path(data_dir or default_data_dir())
    config = _config(dataset, language)

    def open_builder():
        known = config.name in Prompt2Sign.builder_configs
        return Prompt2Sign(
            config=config.name if known else config, data_dir=folder, file_format=FILE_FORMAT
        )

    builder = open_builder()
    if builder.is_prepared() and not fresh:
        return builder
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, config.name):
        builder = open_builder()  # another process may have prepared it while this one waited
        if builder.is_prepared() and fresh:
            noted: Any = builder.info.metadata
            sources = chosen_sources(folder / PREPARED, config)
            if noted["sources"] != {source.source: source.digest for source in sources}:
                shutil.rmtree(builder.data_path)
                builder = open_builder()
        if not builder.is_prepared():
            for leftover in builder.data_path.parent.glob(f"*incomplete*{builder.data_path.name}*"):
                shutil.rmtree(leftover, ignore_errors=True)  # of killed preparations
            if not sys.stderr.isatty():
                tfds.disable_progress_bar()
            builder.download_and_prepare(
                file_format=FILE_FORMAT,
                download_config=tfds.download.DownloadConfig(
                    try_download_gcs=False, manual_dir=folder / PREPARED
                ),
            )
    return open_builder()


@contextlib.contextmanager
def _tidy(dataset, language, data_dir):
    """Turns errors of TFDS into one line, and hides its other output."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except SignLLMError:
        raise
    except Exception as error:  # TFDS raises whatever a damaged folder happens to trip over
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(
            f"cannot use the data folder {os.fspath(data_dir or default_data_dir())} for "
            f"{language} {dataset}: {reason.splitlines()[0]}"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
