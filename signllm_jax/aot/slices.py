"""A TPU slice that is not available here: its description, and a mesh over its devices."""

import math
import os
from collections.abc import Sequence

from signllm_jax.aot.chips import Chip, get_chip
from signllm_jax.core.errors import ConfigError, reason
from signllm_jax.core.wording import how_to_install
from signllm_jax.parallel import sharding


def prepare_environment() -> None:
    """Sets what the TPU compiler needs on a machine without a TPU; call it before jax is used."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    defaults = {
        "TPU_SKIP_MDS_QUERY": "1",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        # there is no such machine: these only keep the library from asking for one
        "TPU_ACCELERATOR_TYPE": "v5litepod-4",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "TPU_STDERR_LOG_LEVEL": "3",
        "TPU_MIN_LOG_LEVEL": "3",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def open_slice(topology: str) -> tuple[list, Chip]:
    """The devices of a topology such as `v5e:4x4`, and the figures of its chip.

    Raises:
        ConfigError: The chip is unknown, the topology does not exist, or there is no TPU compiler.
    """
    chip = get_chip(topology)
    from jax.experimental import topologies  # after the environment was prepared

    form = {}
    if topology.startswith("v4:"):
        form["chip_config_name"] = "megacore"
    if set(topology.partition(":")[2].split("x")) == {"1"}:  # else a host of four chips is meant
        form["chips_per_host_bounds"] = [1, 1, 1]
    try:
        described = topologies.get_topology_desc(platform="tpu", topology_name=topology, **form)
    except Exception as error:  # the plugin raises exceptions of its own
        message = f"--topology={topology}: no such slice"
        if "support not installed" in str(error):
            message = f"the TPU compiler is missing: {how_to_install('tpu')} (no TPU is needed)"
        raise ConfigError(f"{message}: {reason(error)}") from error
    return list(described.devices), chip


def devices_per_chip(devices: Sequence) -> int:
    """Number of devices that each chip has; the chips of a TPU differ in their coordinates."""
    chips = {tuple(getattr(device, "coords", [device.id])) for device in devices}
    return len(devices) // len(chips)


def parse_mesh(text: str, devices: list, lanes: int):
    """A mesh from `language:8,fsdp:2`; empty = language as far as it divides, the rest fsdp.

    Raises ConfigError on what cannot be read or does not multiply to the devices.
    """
    shape: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        axis, _, size = part.partition(":")
        if not size.isdigit() or axis in shape:
            raise ConfigError(f"--mesh: cannot read {part!r}: expected AXIS:SIZE,AXIS:SIZE")
        shape[axis] = int(size)
    return sharding.make_mesh(shape or default_shape(lanes, len(devices)), devices)


def default_shape(lanes: int, devices: int) -> dict[str, int]:
    """Lanes first, the rest fsdp."""
    language = math.gcd(lanes, devices)
    return {"language": language, "fsdp": devices // language}
