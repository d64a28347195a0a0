"""The checked setup of a run: its languages, its mesh, and the libraries it depends on."""

import dataclasses
import math
import os

import jax

from signllm_jax.core.config import Config
from signllm_jax.core.errors import ConfigError
from signllm_jax.core.languages import get_language
from signllm_jax.models.layers.kernels import check_platform
from signllm_jax.parallel import hosts, sharding
from signllm_jax.train.task import get_task

PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "grain", "tensorflow-datasets", "numpy")
"""Libraries that the numbers of a run depend on."""


def hardware() -> dict[str, str | int]:
    """The hardware that a run is trained on."""
    return {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "hosts": hosts.count(),
        "threads": len(os.sched_getaffinity(0)),
    }


def mesh_title(mesh: jax.sharding.Mesh) -> str:
    """The mesh of a run in words."""
    title = "mesh " + ", ".join(f"{axis} {size}" for axis, size in mesh.shape.items())
    if mesh.size < jax.device_count():
        title += f" ({mesh.size} of {jax.device_count()} devices: see config.mesh)"
    return f"{title}, {hosts.count()} hosts" if hosts.count() > 1 else title


def chosen_languages(config: Config, kept: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The languages that a run trains, by default those of its data set that are not `kept`.

    Raises ConfigError if one is unknown, not in the data set or kept, or if none is left.
    """
    available = get_task(config).data_languages()
    languages = config.data.languages or tuple(code for code in available if code not in kept)
    if again := [code for code in languages if code in kept]:
        raise ConfigError(f"config.data.languages: {config.extend_from} has {again[0]!r} already")
    if not languages:
        raise ConfigError(
            f"config.extend_from: {config.extend_from} has all languages of the data set already"
        )
    for code in (*languages, *config.train.language_steps):
        get_language(code)
        if code not in available:
            raise ConfigError(
                f"config.data.languages: the data set {config.data.dataset!r} has no {code!r}: "
                f"it has {', '.join(available)}"
            )
    if len(set(languages)) != len(languages):
        raise ConfigError(f"config.data.languages: {', '.join(languages)} names one twice")
    return languages


def make_run_mesh(config: Config, languages: tuple[str, ...]):
    """The mesh of a run; raises ConfigError if it does not divide devices, model or batches."""
    shape, devices, model = dataclasses.asdict(config.mesh), jax.devices(), config.model
    strata = config.rl.strata if config.rl.plc else 0
    if not any(shape.values()):
        rows = math.gcd(config.train.batch_size, config.eval.batch_size, strata)
        shape = sharding.default_mesh_shape(len(languages), len(devices), rows, model.width)
        used = math.prod(shape.values())
        if used < len(devices) and hosts.count() > 1:
            raise ConfigError(
                f"mesh: no default uses all {len(devices)} devices of the hosts: give "
                "config.mesh.language, data, fsdp, tensor, or another train.batch_size"
            )
        devices = devices[:used]
    mesh = sharding.make_mesh({axis: size or 1 for axis, size in shape.items()}, devices)
    check_platform(model.attention, mesh.devices.flat[0].platform)
    sharding.check_divides(
        mesh, len(languages), config.train.batch_size, model.width, model.heads, strata
    )
    parts = mesh.shape["data"] * mesh.shape["fsdp"]
    if config.eval.batch_size % parts:
        raise ConfigError(
            f"mesh: config.eval.batch_size: {config.eval.batch_size} cannot be split over "
            f"data*fsdp = {parts}"
        )
    return mesh
