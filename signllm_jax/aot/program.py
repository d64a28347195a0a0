"""The real train step and the real generation, compiled for a slice from shapes alone."""

import dataclasses
import re
import resource
import time

import jax
import jax.numpy as jnp

from signllm_jax.aot.flops import matmul_flops
from signllm_jax.core.config import Config
from signllm_jax.core.typing import Batch
from signllm_jax.inference import pose_decoding
from signllm_jax.models.layers.precision import compute_dtype
from signllm_jax.models.text2pose import Text2Pose
from signllm_jax.parallel import sharding
from signllm_jax.train.state import abstract_state, state_shardings
from signllm_jax.train.step import make_train_step
from signllm_jax.train.task import get_task

_TOO_LARGE = re.compile(r"Used ([\d.]+)([KMGT]?) of ([\d.]+)([KMGT]?) hbm", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A compiled program and the cost of compiling it.

    Attributes:
        text: Optimized HLO; empty if the program did not fit.
        argument_bytes, temporary_bytes, total_bytes: Bytes on one device; the total counts donated
            arguments once, and is the compiler's own figure if the program does not fit.
        fits: Whether the compiler could place the program in the chip's memory.
        parameters: Number of parameters of all lanes.
        model_flops: Operations of the model's matrix products on all devices together.
        default_trips: Most iterations of each loop that may stop early; None in training.
        wall_seconds, cpu_seconds: Time of the compiler.
        peak_bytes: Peak memory of this process after compiling.
    """

    text: str
    argument_bytes: int
    temporary_bytes: int
    total_bytes: int
    fits: bool
    parameters: int
    model_flops: int
    default_trips: tuple[int, ...] | None
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


def for_tpu(config: Config) -> Config:
    """The config as it computes on a TPU, where `auto` is bfloat16."""
    if config.model.dtype != "auto":
        return config
    return dataclasses.replace(config, model=dataclasses.replace(config.model, dtype="bfloat16"))


def abstract_batch(config: Config, lanes: tuple[str, ...], rows: int) -> Batch:
    """Shapes of a training batch of MLSF."""
    data, joints = config.data, (config.model.frame_size - 1) // 3

    def shape(*sizes, dtype=jnp.int32):
        return jax.ShapeDtypeStruct((len(lanes), rows, *sizes), dtype)

    return Batch(
        text=shape(data.row_tokens),
        text_segment=shape(data.row_tokens),
        frames=shape(data.row_frames, config.model.frame_size, dtype=jnp.float32),
        joint_mask=shape(data.row_frames, joints, dtype=jnp.bool_),
        segment=shape(data.row_frames),
        position=shape(data.row_frames),
        example=shape(data.row_clips),
        group=None if config.compared == "none" else shape(data.row_clips),
    )


def compile_train_step(config: Config, lanes: tuple[str, ...], mesh) -> Compiled:
    """The train step of `config` for `mesh`, whose devices need not be at hand."""
    config = for_tpu(config)
    state = _placed(abstract_state(config, lanes), state_shardings(config, lanes, mesh))
    batch = abstract_batch(config, lanes, config.batch_rows[0])
    step = make_train_step(config, lanes, mesh)
    # products in a kernel cannot be counted
    countable = dataclasses.replace(config.model, attention="xla")
    task = get_task(dataclasses.replace(config, model=countable))
    whole = abstract_batch(config, lanes, config.train.batch_size)  # with the rows by priority
    of_lane = lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype)  # noqa: E731
    params, lane_batch = jax.tree.map(of_lane, (state.params, whole))
    with sharding.use_shape_mesh():
        key = jax.eval_shape(lambda: jax.random.key(0))
        forward = matmul_flops(lambda *args: task.loss(*args)[0], params, lane_batch, key)
    with sharding.use_mesh(mesh):
        lowered = step.lower(state, batch)
    flops = 3 * forward * len(lanes)  # the backward pass has two products for each one
    return _compile(lowered, state.params, flops, None)


def compile_generation(config: Config, lanes: tuple[str, ...], mesh) -> Compiled:
    """Free-running generation of `config.eval.batch_size` clips a language."""
    config = for_tpu(config)
    shardings = state_shardings(config, lanes, mesh).params
    params = _placed(abstract_state(config, lanes).params, shardings)
    module = Text2Pose(config.model, compute_dtype(config.model.dtype))
    shape = (len(lanes), config.eval.batch_size, config.data.row_tokens)
    text = jax.ShapeDtypeStruct(shape, jnp.int32, sharding=sharding.batch_sharding(mesh))

    def generate(params, text):
        return pose_decoding.generate_lanes(module, params, text, config.eval.max_frames)

    program = jax.jit(generate, out_shardings=sharding.batch_sharding(mesh))
    # a loop for each window of the caches; every one of them may stop early
    ends = pose_decoding.windows(config.eval.max_frames // config.model.patch)
    trips = tuple(end - start for start, end in zip((0, *ends), ends))
    if config.model.decoder == "parallel":
        trips = ()
    with sharding.use_mesh(mesh):
        lowered = program.lower(params, text)
    return _compile(lowered, params, 0, trips)


def _placed(shapes, shardings):
    return jax.tree.map(lambda leaf, where: leaf.update(sharding=where), shapes, shardings)


def _compile(lowered, params, flops: int, trips: tuple[int, ...] | None) -> Compiled:
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    wall, cpu = time.monotonic(), time.process_time()
    text, sizes, fits = "", (0, 0, 0), True
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if not (too_large := _TOO_LARGE.search(str(error))):
            raise
        sizes, fits = (0, 0, int(float(too_large[1]) * _UNITS[too_large[2].upper()])), False
    else:
        text, memory = compiled.as_text(), compiled.memory_analysis()
        argument, temporary = memory.argument_size_in_bytes, memory.temp_size_in_bytes
        output = memory.output_size_in_bytes - memory.alias_size_in_bytes
        sizes = (argument, temporary, argument + temporary + output)
    return Compiled(
        text,
        *sizes,
        fits=fits,
        parameters=count,
        model_flops=flops,
        default_trips=trips,
        wall_seconds=time.monotonic() - wall,
        cpu_seconds=time.process_time() - cpu,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
