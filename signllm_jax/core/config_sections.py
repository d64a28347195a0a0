"""The sections of a config about data, learning and the run, as frozen dataclasses with ranges."""

import dataclasses

from signllm_jax.core.schema import bounded as _at


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    Attributes:
        dataset: `fingerspelling`, or a prepared data set's name.
        languages: codes in the order of the language axis; empty = all that the data set has.
        layout: skeleton layout of the clips.
        data_dir: folder of the prepared TFDS data; empty = the default folder.
        row_frames: T, frames of a packed row, a multiple of the patch.
        row_tokens: S, tokens of a packed row.
        row_units: units of a packed row of a text stage.
        row_clips: K, the most clips that a row packs.
        plan: 1 packs clips into rows anew in every epoch; 2 packs them once and permutes the rows,
            which is quick for millions of clips (`data/packing.py`). Runs from before have 1.
        temperature: tau by which a model of several languages mixes them: a language of n examples
            is drawn with p ~ n^(1/tau).
        threads: reading threads.
        prefetch: batches read ahead.
        cache_mb: standardized examples kept in memory, at most this many megabytes.
        max_bad: train clips whose record is damaged that a run skips; one more ends it.
        corrupt: share of the train clips that are damaged on purpose (`data/corruption.py`).
        corrupt_seed: of which clips these are.
    """

    dataset: str = "fingerspelling"
    languages: tuple[str, ...] = ()
    layout: str = _at("openpose50", choices=("openpose50", "dwpose128"))
    data_dir: str = ""
    row_frames: int = _at(256, 1, 1 << 16)
    row_tokens: int = _at(32, 1, 1 << 12)
    row_units: int = _at(128, 1, 1 << 12)
    row_clips: int = _at(4, 1, 1 << 12)
    plan: int = _at(1, 1, 2)
    temperature: float = _at(2.0, 1.0, 1e6)
    threads: int = _at(2, 1, 256)
    prefetch: int = _at(4, 1, 1024)
    cache_mb: int = _at(512, 0, 1 << 20)
    max_bad: int = _at(10, 0, 1 << 31)
    corrupt: float = _at(0.0, 0.0, 1.0)
    corrupt_seed: int = _at(0, 0, 1 << 31)


@dataclasses.dataclass(frozen=True)
class RLConfig:
    """Reinforcement learning: the loss and the Priority Learning Channel (PLC).

    Attributes:
        loss: `mse`; `reward`, the paper's RL loss, literally; or `policy_gradient`.
        plc: whether a share of every batch is drawn from the replay buffer by priority.
        share: share of a batch's rows that are drawn, rounded to whole rows of every stratum.
        eta: exponent of P(i); 0 draws all alike.
        threshold: clips of a priority below it are not drawn (the paper: 0.5).
        beta: exponent of the importance weights, 0 = none (the paper).
        direction: what a priority is: `high_reward` (the paper), `high_error`,
            `learning_progress`.
        group: what a clip's quality is compared within: `none`, all clips; those of its `text` or
            by its `signer`, so that whoever is easiest is not drawn most often. A clip that is
            alone in its group is a median one.
        half_life: steps after which half of a stale error has faded to the median, 0 = never.
        rollout: the error is of the `teacher_forced` prediction or of a `free_running` one.
        reward: of free-running clips, `mse` or `dtw`; teacher-forced it is `mse`.
        rollout_clips: clips of every stratum that are produced anew in a step, free-running.
        resident: once every clip is in the buffer the cyclic share comes from there too, and
            no example crosses from the host again.
        capacity: C, clips of a language that the buffer holds, a multiple of strata; at least its
            train split = each clip has a place of its own.
        strata: parts of the buffer that are drawn from by themselves, a multiple of data * fsdp;
            0 = as many as divide rows and capacity and have at least three rows of a batch each.
        clip_frames: longest clip that the buffer takes, at most a row's; 0 = a row's.
        clip_tokens: longest text that it takes, in tokens, at most a row's; 0 = a row's.
        supervised: weight of the usual loss beside a policy gradient.
        policy: weight of the policy gradient.
        deviation: of the Gaussian policy, in standard deviations, at the first step.
        final_deviation: at the last step; between them it falls geometrically.
    """

    loss: str = _at("mse", choices=("mse", "reward", "policy_gradient"))
    plc: bool = False
    share: float = _at(0.3, 0.0, 1.0)
    eta: float = _at(1.0, 0.0, 100.0)
    threshold: float = _at(0.5, 0.0, 1.0)
    beta: float = _at(0.0, 0.0, 10.0)
    direction: str = _at("high_reward", choices=("high_reward", "high_error", "learning_progress"))
    group: str = _at("none", choices=("none", "text", "signer"))
    half_life: float = _at(2000.0, 0.0, 1e9)
    rollout: str = _at("teacher_forced", choices=("teacher_forced", "free_running"))
    reward: str = _at("mse", choices=("mse", "dtw"))
    rollout_clips: int = _at(2, 1, 1 << 10)
    resident: bool = False
    capacity: int = _at(512, 1, 1 << 31)
    strata: int = _at(1, 0, 1 << 20)
    clip_frames: int = _at(0, 0, 1 << 16)
    clip_tokens: int = _at(0, 0, 1 << 16)
    supervised: float = _at(1.0, 0.0, 1e4)
    policy: float = _at(1.0, 0.0, 1e4)
    deviation: float = _at(0.3, 1e-6, 100.0)
    final_deviation: float = _at(0.1, 1e-6, 100.0)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """The optimizer of a language.

    Attributes:
        name: `adamw`, or `sgd` (for comparing meshes).
        learning_rate: its peak, after the warm-up.
        warmup: steps of linear warm-up.
        schedule: `cosine` or `linear`, from the peak to the end, or `constant`.
        final: share of the peak at the end of a schedule that is not constant.
        b1: decay of the first moment.
        b2: decay of the second moment.
        weight_decay: on matrices only.
        clip: largest global norm of a language's gradient.
        average: decay of the running mean of the parameters, which is then what is evaluated and
            kept; 0 = the parameters themselves are.
    """

    name: str = _at("adamw", choices=("adamw", "sgd"))
    learning_rate: float = _at(3e-3, 0.0, 10.0)
    warmup: int = _at(100, 0, 1 << 30)
    schedule: str = _at("cosine", choices=("cosine", "linear", "constant"))
    final: float = _at(0.0, 0.0, 1.0)
    b1: float = _at(0.9, 0.0, 1.0)
    b2: float = _at(0.98, 0.0, 1.0)
    weight_decay: float = _at(1e-4, 0.0, 10.0)
    clip: float = _at(1.0, 1e-6, 1e6)
    average: float = _at(0.0, 0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The run.

    Attributes:
        steps: steps of every language.
        language_steps: steps of single languages, where they differ.
        shared_start: steps that the first language is trained alone, before all languages begin
            from its parameters; 0 = each begins by itself, and learns the same whatever the others.
        batch_size: B, packed rows of a language in a step.
        seed: of parameters, data order and noise.
        patience: evaluations without a better dev score before a language stops; 0 = never.
        skip_spikes: a step whose gradient norm is over so many times the language's running mean
            changes none of its parameters; 0 = every step counts.
    """

    steps: int = _at(2000, 1, 1 << 31)
    language_steps: dict[str, int] = dataclasses.field(default_factory=dict)
    shared_start: int = _at(0, 0, 1 << 31)
    batch_size: int = _at(4, 1, 1 << 16)
    seed: int = _at(0, 0, 1 << 31)
    patience: int = _at(0, 0, 1 << 30)
    skip_spikes: float = _at(0.0, 0.0, 1e6)


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """Free-running evaluation.

    Attributes:
        every: steps between evaluations on dev.
        reader: whether the errors of a reader of letters, trained at the first evaluation, count
            when the best parameters are chosen (spelled data only).
        clips: how many dev clips of a language are used, from the first on; 0 = all.
        max_frames: longest clip that decoding may produce.
        batch_size: clips of a language decoded together.
        samples: clips of a language rendered at the end.
        report: whether the run ends with the test report.
    """

    every: int = _at(500, 1, 1 << 31)
    reader: bool = False
    clips: int = _at(40, 0, 1 << 30)
    max_frames: int = _at(128, 1, 1 << 16)
    batch_size: int = _at(40, 1, 1 << 16)
    samples: int = _at(2, 0, 1 << 10)
    report: bool = True


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """Sizes of the mesh axes; all 0 = language, then fsdp, as far as they divide.

    Attributes:
        language: slices of the languages.
        data: slices of the batch, with copies of the parameters.
        fsdp: slices of batch and parameters.
        tensor: slices of heads and hidden units.
    """

    language: int = _at(0, 0, 1 << 20)
    data: int = _at(0, 0, 1 << 20)
    fsdp: int = _at(0, 0, 1 << 20)
    tensor: int = _at(0, 0, 1 << 20)


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """Checkpoints for resuming.

    Attributes:
        every: steps between checkpoints.
        keep: how many of the newest are kept.
    """

    every: int = _at(500, 1, 1 << 31)
    keep: int = _at(2, 1, 1 << 16)


@dataclasses.dataclass(frozen=True)
class LogConfig:
    """Logs.

    Attributes:
        every: steps between lines of metrics.jsonl.
        progress: whether a progress bar is shown.
    """

    every: int = _at(50, 1, 1 << 31)
    progress: bool = True
