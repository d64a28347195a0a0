"""Published figures of the TPU chips that programs are compiled for.

Sources: the system architecture pages of the Cloud TPU documentation for v4, v5e, v5p, v6e and
TPU7x (peak compute, HBM capacity and bandwidth, interchip bandwidth, matrix units). A device of
jax is a chip; on v4 its two cores are joined, as jax asks for. On TPU7x a device is one of a
chip's two cores, with half of its memory and bandwidths.
"""

import dataclasses

from signllm_jax.core.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Chip:
    """One device as the compiler sees it.

    Attributes:
        flops: peak bfloat16 operations per second.
        flops_per_cycle: of its matrix units; the clock is `flops / flops_per_cycle`.
        hbm_bytes: capacity.
        hbm_bandwidth: bytes per second.
        link_bandwidth: bytes per second out of the device over all interchip links.
    """

    flops: float
    flops_per_cycle: int
    hbm_bytes: int
    hbm_bandwidth: float
    link_bandwidth: float

    @property
    def clock(self) -> float:
        """Cycles per second."""
        return self.flops / self.flops_per_cycle


# matrix units x rows x columns x 2
CHIPS = {
    "v4": Chip(275e12, 8 * 128 * 128 * 2, 32 << 30, 1200e9, 300e9),
    "v5e": Chip(197e12, 4 * 128 * 128 * 2, 16 << 30, 819e9, 200e9),
    "v5p": Chip(459e12, 8 * 128 * 128 * 2, 95 << 30, 2765e9, 600e9),
    "v6e": Chip(918e12, 4 * 256 * 256 * 2, 32 << 30, 1640e9, 448e9),
    # half a chip; its matrix units counted twice, as those of v6e are
    "tpu7x": Chip(1153.5e12, 4 * 256 * 256 * 2, 94 << 30, 3690e9, 600e9),
}


def get_chip(topology: str) -> Chip:
    """The chip of a topology such as `v5e:4x4`; raises ConfigError on an unknown one."""
    name = topology.partition(":")[0]
    if name in ("v7x", "tpu7", "v7"):
        raise ConfigError(f"--topology: the chip {name!r} is called tpu7x: tpu7x:2x2x1")
    if name not in CHIPS:
        raise ConfigError(f"--topology: unknown chip {name!r}: known are {', '.join(CHIPS)}")
    return CHIPS[name]
