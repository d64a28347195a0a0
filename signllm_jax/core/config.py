"""The configuration as frozen dataclasses: read once at the edge, checked, then passed down.

`configs/*.py` make `ml_collections.ConfigDict`s, which flags may override; `read_config` turns
one into a `Config` and raises ConfigError on an unknown key, a wrong type or a value out of
range. Nothing below the edge sees a ConfigDict.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from signllm_jax.core.config_sections import (
    CheckpointConfig,
    DataConfig,
    EvalConfig,
    LogConfig,
    MeshConfig,
    OptimizerConfig,
    RLConfig,
    TrainConfig,
)
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import check_code, find_code
from signllm_jax.core.model_sections import LossConfig, ModelConfig, ReadingConfig, TextConfig
from signllm_jax.core.schema import read_as
from signllm_jax.core.skeleton import LAYOUTS, get_layout
from signllm_jax.core.tasks import get_info


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that a run depends on.

    Attributes:
        name: name of the config file, part of the default workdir's name.
        task: kind of model, see `core/tasks.py`.
        size: `tiny`, `base`, `large`, `super` or another name.
        init_from: workdir to take parameters from, `WORKDIR` or `WORKDIR:language`.
        extend_from: workdir whose groups are copied unchanged, beside the languages that are
            trained (MLSF).
    """

    name: str = "mlsf"
    task: str = "mlsf"
    size: str = "tiny"
    init_from: str = ""
    extend_from: str = ""
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    text: TextConfig = dataclasses.field(default_factory=TextConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    loss: LossConfig = dataclasses.field(default_factory=LossConfig)
    rl: RLConfig = dataclasses.field(default_factory=RLConfig)
    reading: ReadingConfig = dataclasses.field(default_factory=ReadingConfig)
    optimizer: OptimizerConfig = dataclasses.field(default_factory=OptimizerConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    eval: EvalConfig = dataclasses.field(default_factory=EvalConfig)
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)
    checkpoint: CheckpointConfig = dataclasses.field(default_factory=CheckpointConfig)
    log: LogConfig = dataclasses.field(default_factory=LogConfig)

    @property
    def reader(self) -> ReadingConfig | None:
        """Settings of a reader of poses; None in all other tasks."""
        return self.reading if get_info(self.task).reads_poses else None

    @property
    def compared(self) -> str:
        """`rl.group` if clips are drawn by quality, else `none`."""
        return self.rl.group if self.rl.plc else "none"

    @property
    def batch_rows(self) -> tuple[int, int]:
        """Rows per language in a batch: those in the order of the data, and those by priority."""
        rows, strata = self.train.batch_size, self.rl.strata
        if not self.rl.plc:
            return rows, 0
        priority = max(round(self.rl.share * rows / strata), 1) * strata
        return rows - priority, priority


def read_config(values: Mapping[str, Any]) -> Config:
    """A checked Config from nested mappings (a ConfigDict's `to_dict()`, or parsed JSON).

    Raises:
        ConfigError: A key is unknown, of the wrong type or out of range, or values contradict each
            other; the message names the key.
    """
    config = read_as(Config, values, "config")
    config = _with_strata(_with_frame_size(config))
    try:
        config = _with_codes(config)
    except ConfigError as error:
        raise ConfigError(f"config.data.languages: {error}") from None
    model = config.model
    check_model(model)
    check_multiple("config.data.row_frames", config.data.row_frames, "model.patch", model.patch)
    check_multiple("config.eval.max_frames", config.eval.max_frames, "model.patch", model.patch)
    if config.rl.plc:
        _check_replay(config)
    if config.loss.robust != "none":
        _check_robust(config)
    if model.attention != "xla":
        _check_kernel(config)
    return config


def check_multiple(name: str, value: int, divisor_name: str, divisor: int) -> None:
    """Raises ConfigError naming a setting that is not a multiple of another."""
    if value % divisor:
        raise ConfigError(f"{name}: {value} is not a multiple of {divisor_name} = {divisor}")


def check_faults(setting: str, *faults: tuple[object, str]) -> None:
    """Raises ConfigError with the setting's name and the message of the first fault that holds.

    Args:
        setting: Name of the setting, the first part of the message.
        faults: Condition and second part of the message of each fault.
    """
    for holds, message in faults:
        if holds:
            raise ConfigError(f"{setting}{message}")


def check_model(model: ModelConfig, where: str = "config.model") -> None:
    """Raises ConfigError if the sizes of a model do not fit each other."""
    check_multiple(f"{where}.width", model.width, "heads", model.heads)
    check_faults(
        where,
        (model.progress_features % 2, ".progress_features: must be even"),
        (
            model.flow and model.decoder != "parallel",
            f".flow: {model.flow} passes need decoder = parallel, not {model.decoder}",
        ),
        (
            model.token_durations and not model.progress_bias,
            ".token_durations: true needs progress_bias = true",
        ),
        (
            model.latent_moments and not model.latent,
            f".latent_moments: {model.latent_moments} need latent above 0",
        ),
    )


def _with_codes(config: Config) -> Config:
    """Replaces names of languages by codes; raises ConfigError for a malformed code."""
    codes = tuple(find_code(name) or check_code(name) for name in config.data.languages)
    steps = {find_code(name) or name: n for name, n in config.train.language_steps.items()}
    data = dataclasses.replace(config.data, languages=codes)
    train = dataclasses.replace(config.train, language_steps=steps)
    return dataclasses.replace(config, data=data, train=train)


def _with_frame_size(config: Config) -> Config:
    """Sets D, which follows from the layout; refuses a number that belongs to no layout."""
    layout, given = config.data.layout, config.model.frame_size
    size = get_layout(layout).frame_size
    if given not in {known.frame_size for known in LAYOUTS.values()}:
        raise ConfigError(f"config.model.frame_size: {layout} has {size}, not {given}")
    return dataclasses.replace(config, model=dataclasses.replace(config.model, frame_size=size))


def _with_strata(config: Config) -> Config:
    """Replaces `rl.strata` = 0 by the most strata that have at least three rows of a batch each."""
    rows, rl = config.train.batch_size, config.rl
    if rl.strata:
        return config
    able = [n for n in range(1, rows // 3 + 1) if rows % n == 0 and rl.capacity % n == 0]
    rl = dataclasses.replace(rl, strata=max(able, default=1))
    return dataclasses.replace(config, rl=rl)


def _check_replay(config: Config) -> None:
    """Raises ConfigError if the replay buffer and the batch do not fit each other."""
    rl, rows = config.rl, config.train.batch_size
    cyclic, _ = config.batch_rows
    if rows % rl.strata or cyclic < rl.strata:
        raise ConfigError(
            f"config.train.batch_size: {rows} rows cannot be split into a cyclic and a priority "
            f"share for each of config.rl.strata = {rl.strata} (or switch config.rl.plc off)"
        )
    check_multiple("config.rl.capacity", rl.capacity, "strata", rl.strata)
    least = cyclic * config.data.row_clips
    if rl.capacity < least:
        raise ConfigError(f"config.rl.capacity: {rl.capacity} holds less than a batch, {least}")
    check_multiple("config.rl.clip_frames", rl.clip_frames, "model.patch", config.model.patch)


def _check_robust(config: Config) -> None:
    """Raises ConfigError if the config cannot have a robust loss (`config.loss.robust`)."""
    check_faults(
        f"config.loss.robust: {config.loss.robust}",
        (not get_info(config.task).makes_poses, f": the task {config.task} makes no poses"),
        (
            config.rl.plc or config.rl.loss != "mse",
            " is a squared error without reinforcement learning: it takes config.rl.plc = False "
            "and config.rl.loss = mse",
        ),
    )


def _check_kernel(config: Config) -> None:
    """Raises ConfigError if the kernel of `config.model.attention` does not support the config."""
    model = config.model
    patches, head = config.data.row_frames // model.patch, model.width // model.heads
    cudnn = model.attention == "cudnn"
    check_faults(
        f"config.model.attention: {model.attention}",
        (model.decoder != "autoregressive", f": a decoder that is {model.decoder} has xla alone"),
        (not get_info(config.task).makes_poses, f": the task {config.task} has xla alone"),
        (
            cudnn and (head % 8 or head > 128),
            " takes heads whose width is a multiple of 8 up to 128, not model.width / "
            f"model.heads = {head}",
        ),
        (cudnn and patches % 2, f" takes an even number of patches a row, not {patches}"),
        (
            cudnn and model.dtype == "float32",
            " computes in bfloat16, not in config.model.dtype = float32",
        ),
        (
            not cudnn and patches % 128,
            " takes rows of a multiple of 128 patches, not data.row_frames / model.patch = "
            f"{patches}",
        ),
    )


def to_dict(config: Config) -> dict[str, Any]:
    """Nested plain values, ready for JSON; `read_config` reads them back."""
    return dataclasses.asdict(config)
