"""The sections of a config about data, learning and the run, as frozen dataclasses with ranges."""

import dataclasses

from signllm_jax.core.schema import bounded as _at


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    Attributes:
        dataset: `fingerspelling`, or a prepared data set's name.
        languages: codes in the order of the language axis; empty = all languages of the data set.
        layout: skeleton layout of the clips.
        data_dir: folder of the prepared TFDS data; empty = the default folder.
        row_frames: T, frames of a packed row, a multiple of the patch.
        row_tokens: S, tokens of a packed row.
        row_units: units of a packed row of a text stage.
        row_clips: K, the most clips that a row packs.
        plan: 1 packs clips into rows anew in every epoch; 2 packs them once and permutes the rows,
            which is quick for millions of clips (`data/packing.py`). Older runs have 1.
        temperature: tau of the mix of languages that share a model: a language of n examples is
            drawn with p ~ n^(1/tau).
        threads: number of reading threads.
        prefetch: number of batches read ahead.
        cache_mb: memory for standardized examples, in megabytes.
        max_bad: number of damaged train records that a run skips; one more ends the run.
        corrupt: share of the train clips that are damaged on purpose (`data/corruption.py`).
        corrupt_seed: seed by which these clips are chosen.
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
        eta: exponent of P(i); 0 draws all clips equally often.
        threshold: clips of a lower priority are not drawn (the paper: 0.5).
        beta: exponent of the importance weights, 0 = none (the paper).
        direction: meaning of the priority: `high_reward` (the paper), `high_error`,
            `learning_progress`.
        group: clips that a clip's quality is compared with: `none`, all clips; those of the same
            `text` or of the same `signer`, so that the easiest text or signer is not drawn most
            often. A clip that is alone in its group counts as the median.
        half_life: steps after which half of a stale error has faded to the median, 0 = never.
        rollout: prediction that the error is measured on, `teacher_forced` or `free_running`.
        reward: reward of free-running clips, `mse` or `dtw`; of teacher-forced ones it is `mse`.
        rollout_clips: clips per stratum that are generated again in a step, free-running.
        resident: whether the cyclic share comes from the buffer too once it holds every clip, so
            that no more examples are copied from the host.
        capacity: C, clips per language that the buffer holds, a multiple of strata; from the size
            of the train split on, each clip has a slot of its own.
        strata: parts of the buffer that are sampled separately, a multiple of data * fsdp; 0 = as
            many as divide rows and capacity and have at least three rows of a batch each.
        clip_frames: longest clip that the buffer takes, at most a row's; 0 = a row's.
        clip_tokens: longest text that it takes, in tokens, at most a row's; 0 = a row's.
        supervised: weight of the supervised loss beside a policy gradient.
        policy: weight of the policy gradient.
        deviation: deviation of the Gaussian policy at the first step, in standard deviations.
        final_deviation: deviation at the last step; between them it falls geometrically.
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
        learning_rate: peak learning rate, after the warm-up.
        warmup: steps of linear warm-up.
        schedule: `cosine` or `linear`, from the peak to the end, or `constant`.
        final: share of the peak at the end of a schedule that is not constant.
        b1: decay of the first moment.
        b2: decay of the second moment.
        weight_decay: weight decay, of matrices only.
        clip: largest global norm of a language's gradient.
        average: decay of the running mean of the parameters, which is then evaluated and kept; 0 =
            the parameters themselves are evaluated and kept.
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
        steps: training steps of every language.
        language_steps: training steps of single languages, where they differ.
        shared_start: steps that the first language is trained alone, before all languages begin
            from its parameters; 0 = each language has its own start, independent of the others.
        batch_size: B, packed rows of a language in a step.
        seed: seed of parameters, data order and noise.
        patience: evaluations without a better dev score before a language stops; 0 = never.
        skip_spikes: limit of the gradient norm, in multiples of the language's running mean; a step
            above it changes none of the language's parameters; 0 = no limit.
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
        clips: number of dev clips per language, from the first on; 0 = all.
        max_frames: length of the longest clip that decoding may produce, in frames.
        batch_size: clips per language decoded together.
        samples: clips per language rendered at the end.
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
        language: number of slices of the languages.
        data: number of slices of the batch, with copies of the parameters.
        fsdp: number of slices of batch and parameters.
        tensor: number of slices of heads and hidden units.
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
        keep: number of the newest checkpoints that are kept.
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
