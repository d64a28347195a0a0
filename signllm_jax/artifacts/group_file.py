"""What `group.json` may hold, checked before anything is built of it."""

import dataclasses
import re

from signllm_jax.artifacts.compact import FORMS
from signllm_jax.core.config import ModelConfig, TextConfig, check_model, check_multiple
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import Language, check_code
from signllm_jax.core.plain_files import read_plain
from signllm_jax.core.schema import bounded, parse_json, read_as
from signllm_jax.core.skeleton import get_layout
from signllm_jax.core.storage import AnyPath
from signllm_jax.poses.features import Statistics
from signllm_jax.text.stage import TextStage, checked
from signllm_jax.text.tokenizer import Tokenizer

DESCRIPTION = "group.json"
PARAMS = r"params-[0-9]{1,18}\.msgpack"
_MOST = 1 << 26  # bytes
_TOKENIZERS = dataclasses.fields(TextConfig)[0].metadata["choices"]


@dataclasses.dataclass(frozen=True)
class Parameters:
    """The stored parameters: `file` in the group's folder, and the digest `sha256`.

    `stored` is the number format, one of `compact.FORMS`; the digest is always that of float32.
    """

    file: str
    sha256: str
    stored: str = bounded(FORMS[0], choices=FORMS)


@dataclasses.dataclass(frozen=True)
class Description:
    """The file's keys; `group.Group` describes those that are not listed here.

    Attributes:
        tokenizer: Kind of the tokenizer, None if there is none.
        registry: Entries of the group's languages, for readers whose registry lacks them.
        params: The stored parameters, None before the first evaluation.
    """

    language: str
    model: ModelConfig
    statistics: Statistics | None
    dataset: str
    dev_score: float | None
    params: Parameters | None
    tokenizer: str | None = bounded(choices=_TOKENIZERS)
    max_frames: int = bounded(low=0, high=1 << 16)
    row_tokens: int = bounded(low=1, high=1 << 12)
    step: int = bounded(low=0, high=1 << 62)
    text_stage: TextStage | None = None  # absent from the groups of older runs
    glosses: tuple[str, ...] = ()
    trained_tokens: tuple[int, int] | None = None
    signs: tuple[str, ...] = ()
    registry: tuple[Language, ...] = ()


def read_description(folder: AnyPath) -> Description:
    """The description of the group in a folder.

    Raises OSError when the file cannot be read, and ConfigError naming the value that is wrong.
    """
    values = parse_json(read_plain(folder, DESCRIPTION, _MOST))
    held = read_as(Description, values, DESCRIPTION)
    check_code(held.language)
    for entry in held.registry:
        check_code(entry.code)
    if held.params is not None and not re.fullmatch(PARAMS, held.params.file):
        raise ConfigError(
            f"{DESCRIPTION}.params.file: no file of parameters: {held.params.file!r:.60}"
        )
    return held


def check_sizes(held: Description, tokenizer: Tokenizer | None) -> None:
    """Raises ConfigError where the sizes of a group's parts do not fit each other."""
    model = held.model
    check_model(model, f"{DESCRIPTION}.model")
    check_multiple(f"{DESCRIPTION}.max_frames", held.max_frames, "patch", model.patch)
    if held.statistics is not None:
        size = get_layout(held.statistics.layout).frame_size
        if model.frame_size != size:
            raise ConfigError(
                f"{DESCRIPTION}.model.frame_size: its layout has {size}, not {model.frame_size}"
            )
    if tokenizer is not None and tokenizer.size > model.vocab:
        raise ConfigError(
            f"{DESCRIPTION}.model.vocab: {model.vocab} rows for {tokenizer.size} tokens"
        )
    if held.text_stage is not None:
        checked(held.text_stage)
        if held.text_stage.rows != model.vocab:
            raise ConfigError(f"{DESCRIPTION}.text_stage.rows: the model has {model.vocab}")
