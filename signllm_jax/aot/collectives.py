"""Reads the collectives out of a compiled program: what it moves, how often, and between whom."""

import dataclasses
import itertools
import math
import re

import numpy as np
from jax.sharding import Mesh

from signllm_jax.aot import hlo

KINDS = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "collective-permute",
    "ragged-all-to-all",
    "reduce-scatter",
)
# the fusions that start, carry on and end one asynchronous collective name the same chain
_CHAIN = re.compile(r'chain_id="(\d+)"')
_LISTED = re.compile(r"(?:replica_groups|source_target_pairs)=\{((?:\{[\d,]*\},?)*)\}")
_IOTA = re.compile(r"replica_groups=\[(\d+),(\d+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?")
_BY_AXIS = re.compile(
    r"replica_groups=mesh\[((?:'\w+'=\d+,?)+)\]"
    r"(?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))? \{((?:'\w+',?)*)\}"
)


@dataclasses.dataclass(frozen=True)
class Collective:
    """One collective operation.

    Attributes:
        kind: for example `all-reduce`.
        bytes: size of its result on one device (with the operand, where it is asynchronous).
        groups: int [groups, devices of a group], indices into `mesh.devices.flat` of the devices
            that exchange data.
        times: how often it runs in one run of the program.
    """

    kind: str
    bytes: int
    groups: np.ndarray
    times: int = 1

    def axes(self, mesh: Mesh) -> tuple[str, ...]:
        """The mesh axes along which the devices of a group differ; () when nothing is exchanged."""
        coordinates = np.array(np.unravel_index(self.groups, mesh.devices.shape))
        differs = (coordinates != coordinates[..., :1]).any((1, 2))
        return tuple(itertools.compress(mesh.axis_names, differs))


def read_collectives(
    hlo_text: str, devices: int, default_trips: hlo.Trips = None
) -> list[Collective]:
    """The collectives of an optimized HLO module.

    Args:
        hlo_text: Text that `compiled.as_text()` returns.
        devices: Number of devices that the module was compiled for.
        default_trips: Iterations of loops whose count the compiler does not know.

    Raises:
        ValueError: Unknown form of replica groups, kind of transfer, or length of a loop.
    """
    program = hlo.read_program(hlo_text)
    counts = hlo.executions(program, default_trips)
    collectives, chained = [], set()
    for name, instructions in program.computations.items():
        for instruction in instructions.values() if counts[name] else ():
            kind = instruction.kind.removesuffix("-start")
            if kind in ("send", "recv"):
                raise ValueError(f"cannot tell whom it joins: {instruction.line.strip()[:200]}")
            if kind in KINDS:  # `-done` halves of asynchronous ones are not counted again
                chain = name != program.entry and _CHAIN.search(instruction.rest)
                if chain and chain[1] in chained:
                    continue  # a later part of a gather that is spread over several fusions
                chained.add(chain and chain[1])
                size, groups = (
                    hlo.array_bytes(instruction.result),
                    _groups(instruction.rest, devices),
                )
                collectives.append(Collective(kind, size, groups, counts[name]))
    return collectives


def cross_language_bytes(hlo_text: str, mesh: Mesh, default_trips: hlo.Trips = None) -> int:
    """Bytes of the collectives whose groups join devices of different languages.

    Args:
        hlo_text: Text of a program compiled for `mesh`.
        mesh: Mesh with an axis `language`.
        default_trips: Iterations of loops whose count the compiler does not know.

    Raises:
        ValueError: As for `read_collectives`.
    """
    return sum(
        collective.bytes * collective.times
        for collective in read_collectives(hlo_text, mesh.size, default_trips)
        if "language" in collective.axes(mesh)
    )


def _groups(attributes: str, devices: int) -> np.ndarray:
    if match := _BY_AXIS.search(attributes):
        sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", match[1])}
        within = re.findall(r"'(\w+)'", match[4])
        ids = _iota(match[2] or str(devices), match[3])
        if set(within) <= set(sizes) and math.prod(sizes.values()) == ids.size == devices:
            axes = [list(sizes).index(name) for name in within]
            ids = np.moveaxis(ids.reshape(tuple(sizes.values())), axes, range(-len(axes), 0))
            return ids.reshape(-1, math.prod(sizes[name] for name in within))
    if match := _IOTA.search(attributes):
        return _iota(match[3], match[4]).reshape(int(match[1]), int(match[2]))
    if match := _LISTED.search(attributes):
        groups = [hlo.numbers(group) for group in re.findall(r"\{([\d,]*)\}", match[1])]
        if not groups:  # without named groups all devices are one group
            return np.arange(devices)[None]
        if len(set(map(len, groups))) == 1:
            return np.array(groups)
    raise ValueError(f"unknown form of replica groups: {attributes[:300]}")


def _iota(shape: str, order: str | None) -> np.ndarray:
    """The numbers 0, 1, 2 ... in a shape, with its axes then transposed to an order."""
    sizes = hlo.numbers(shape)
    ids = np.arange(math.prod(sizes)).reshape(sizes)
    return ids.transpose(hlo.numbers(order)) if order else ids
