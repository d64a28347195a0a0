"""Compiles a config for a slice on one mesh or several, and ranks them."""

from collections.abc import Callable, Iterator

from signllm_jax.aot import report
from signllm_jax.aot.program import compile_generation, compile_train_step
from signllm_jax.aot.slices import default_shape, open_slice, parse_mesh
from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import LANGUAGES, get_language
from signllm_jax.models.layers.kernels import check_platform
from signllm_jax.parallel import sharding
from signllm_jax.train.task import get_task


def plan(
    config: Config, topology: str, mesh: str, decode: bool, sweep: bool, say: Callable[[str], None]
) -> list[dict]:
    """Reports of one mesh, or of several, the best first.

    Args:
        config: Config to compile; without languages all eight of the registry are taken.
        topology: TPU slice, such as `v5e:4x4`.
        mesh: Mesh, such as `language:8,fsdp:2`; empty = languages first, the rest fsdp.
        decode: Whether generation is compiled instead of the train step.
        sweep: Whether every mesh of `candidates` is tried instead.
        say: Function that prints a line for each result.

    Raises:
        ConfigError: The slice, mesh or config is not possible.
    """
    languages = config.data.languages or tuple(LANGUAGES)
    for code in languages:
        get_language(code)
    lanes = get_task(config).lanes(languages)
    if not decode:
        check_platform(config.model.attention, "tpu")
    devices, chip = open_slice(topology)
    if sweep and mesh:
        raise ConfigError("--sweep tries meshes of its own: leave out --mesh")
    build, program = (
        (compile_generation, "generate") if decode else (compile_train_step, "train_step")
    )
    rows = config.eval.batch_size if decode else config.train.batch_size
    model, strata = config.model, 0 if decode or not config.rl.plc else config.rl.strata
    reports = []
    for text in candidates(len(lanes), len(devices)) if sweep else [mesh]:
        chosen = parse_mesh(text, devices, len(lanes))
        try:
            sharding.check_divides(chosen, len(lanes), rows, model.width, model.heads, strata)
        except ConfigError:
            if not sweep:
                raise
            continue
        compiled = build(config, lanes, chosen)
        made = report.describe(config, lanes, topology, chosen, chip, program, compiled)
        say(report.line(made))
        reports.append(made)
    if not reports:
        raise ConfigError(f"--sweep: no mesh over {len(devices)} devices divides this config")
    return sorted(reports, key=_rank)


def candidates(lanes: int, devices: int) -> Iterator[str]:
    """Meshes worth a try: languages first, then the rest on each axis, or split in two."""
    shape = default_shape(lanes, devices)
    language, rest = shape["language"], shape["fsdp"]
    yield f"language:{language},fsdp:{rest}"
    for axis in ("data", "tensor") if rest > 1 else ():
        yield f"language:{language},{axis}:{rest}"
    if rest > 2 and rest % 2 == 0:
        yield f"language:{language},fsdp:{rest // 2},tensor:2"
        yield f"language:{language},data:2,fsdp:{rest // 2}"


def _rank(made: dict) -> tuple:
    """Programs that fit come first, then those of less time for computation and interconnect."""
    time = made.get("cycle_milliseconds", 0.0) + made.get("interconnect_milliseconds", 0.0)
    return not made["fits"], time, made["hbm_bytes_per_chip"]
