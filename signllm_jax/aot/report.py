"""`aot.json`: the memory and the estimated cost of a program on a slice, and its line of output."""

from jax.sharding import Mesh

from signllm_jax.aot.chips import Chip
from signllm_jax.aot.estimate import UNCOUNTED_LIMIT, estimate
from signllm_jax.aot.program import Compiled
from signllm_jax.aot.slices import devices_per_chip
from signllm_jax.core.config import Config
from signllm_jax.core.version import versions


def describe(
    config: Config,
    lanes: tuple[str, ...],
    topology: str,
    mesh: Mesh,
    chip: Chip,
    program: str,
    compiled: Compiled,
) -> dict:
    """The report as plain values for JSON; figures that do not apply are absent.

    Args:
        config: Config of the program.
        lanes: Names of the lanes in the order of L.
        topology: TPU slice, such as `v5e:4x4`.
        mesh: Mesh over the devices of the slice.
        chip: Figures of each of the devices.
        program: `train_step` or `generate`.
        compiled: The compiled program.

    Raises:
        ValueError: The program's text has an unknown form.
    """
    per_chip = devices_per_chip(mesh.devices.ravel().tolist())
    report = {
        "program": program,
        "size": config.size,
        "lanes": list(lanes),
        "topology": topology,
        "mesh": {axis: size for axis, size in mesh.shape.items() if size > 1},
        "chips": mesh.size // per_chip,
        "devices": mesh.size,
        "batch_size": config.train.batch_size,
        "row_frames": config.data.row_frames,
        "row_tokens": config.data.row_tokens,
        "remat": config.model.remat,
        "row_dropout": config.model.row_dropout,
        "attention": config.model.attention,
        "parameters": compiled.parameters,
        "hbm_bytes_per_chip": compiled.total_bytes * per_chip,
        "hbm_limit_bytes": chip.hbm_bytes * per_chip,
        "hbm_bytes_per_device": compiled.total_bytes,
        "fits": compiled.fits and compiled.total_bytes <= chip.hbm_bytes,
        "compile_seconds": compiled.wall_seconds,
        "compile_cpu_seconds": compiled.cpu_seconds,
        "compile_peak_bytes": compiled.peak_bytes,
        "versions": versions("jax", "jaxlib", "libtpu", "flax", "optax"),
    }
    if program == "train_step" and config.rl.plc:
        report["replay_capacity"] = config.rl.capacity
    if program == "generate":
        report |= {
            "batch_size": config.eval.batch_size,
            "max_frames": config.eval.max_frames,
            "decoder": config.model.decoder,
        }
    if not compiled.text:
        return report
    cost = estimate(compiled.text, mesh, chip, compiled.default_trips)
    report |= {
        "argument_bytes": compiled.argument_bytes,
        "temporary_bytes": compiled.temporary_bytes,
        "cross_language_bytes": cost.cross_language_bytes,
        "collectives": [
            {"kind": kind, "axes": list(axes), "count": count, "bytes": size}
            for (kind, axes), (count, size) in sorted(cost.collectives.items())
        ],
        "cycle_milliseconds": 1e3 * cost.cycle_seconds,
        "uncounted_milliseconds": {kind: 1e3 * s for kind, s in cost.uncounted.items() if s > 1e-7},
        "uncounted_share": cost.uncounted_share,
        "uncounted_kernels": cost.kernels,
        "copy_milliseconds": 1e3 * cost.copy_seconds,
        "interconnect_milliseconds": 1e3 * cost.link_seconds,
        "estimate": "compiler estimate, interconnect excluded",
    }
    if compiled.default_trips is not None:
        report["microseconds_per_frame"] = 1e6 * cost.seconds / config.eval.max_frames
    if compiled.model_flops:
        report["model_flops"] = compiled.model_flops
        if cost.uncounted_share <= UNCOUNTED_LIMIT and not cost.kernels:
            share = compiled.model_flops / mesh.size / chip.flops / cost.seconds
            report["cycle_utilization"] = share
    return report


def line(report: dict) -> str:
    """One line for the terminal."""
    mesh = ",".join(f"{axis}:{size}" for axis, size in report["mesh"].items()) or "one device"
    title = f"{report['program']} {report['size']} on {report['topology']} ({mesh})"
    memory = f"{report['hbm_bytes_per_chip'] / 1e9:.2f} of {report['hbm_limit_bytes'] / 1e9:.1f} GB"
    if not report["fits"]:
        return f"{title}: DOES NOT FIT: {memory}"
    figures = {
        "cycle_milliseconds": "{:.2f} ms",
        "interconnect_milliseconds": "interconnect {:.2f} ms",
        "cross_language_bytes": "{} bytes between languages",
        "microseconds_per_frame": "{:.3g} us a frame",
        "cycle_utilization": f"utilization {{:.1%}} ({report.get('estimate')})",
    }
    shown = [form.format(report[name]) for name, form in figures.items() if name in report]
    return ", ".join([title, memory, *shown])
