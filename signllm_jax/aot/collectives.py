"""Reads the collectives out of a compiled program: what it moves, how often, and between whom."""

import dataclasses
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
_POINT_TO_POINT = ("send", "recv")
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
        groups: int [groups, devices of a group], places in `mesh.devices.flat` that exchange data.
        times: how often it runs in one run of the program.
    """

    kind: str
    bytes: int
    groups: np.ndarray
    times: int = 1

    def axes(self, mesh: Mesh) -> tuple[str, ...]:
        """The mesh axes along which the devices of a group differ; () when nothing is exchanged."""
        place = np.array(np.unravel_index(self.groups, mesh.devices.shape))
        differs = (place != place[..., :1]).any((1, 2))
        return tuple(name for name, one in zip(mesh.axis_names, differs) if one)


def read_collectives(
    hlo_text: str, devices: int, default_trips: hlo.Trips = None
) -> list[Collective]:
    """The collectives of an optimized HLO module.

    Args:
        hlo_text: what `compiled.as_text()` returns.
        devices: number of devices it was compiled for.
        default_trips: for loops whose count the compiler does not know.

    Raises:
        ValueError: replica groups of a form, a kind of transfer, or a loop, that is not known.
    """
    program = hlo.read_program(hlo_text)
    counts = hlo.executions(program, default_trips)
    found, chained = [], set()
    for name, instructions in program.computations.items():
        for one in instructions if counts[name] else ():
            kind = one.kind.removesuffix("-start")
            if kind in _POINT_TO_POINT:
                raise ValueError(f"cannot tell whom it joins: {one.line.strip()[:200]}")
            if kind in KINDS:  # `-done` halves of asynchronous ones are not counted again
                chain = name != program.entry and _CHAIN.search(one.rest)
                if chain and chain[1] in chained:
                    continue  # a later part of a gather that is spread over several fusions
                chained.add(chain and chain[1])
                groups = _groups(one.rest, devices)
                found.append(Collective(kind, hlo.array_bytes(one.result), groups, counts[name]))
    return found


def cross_language_bytes(hlo_text: str, mesh: Mesh, default_trips: hlo.Trips = None) -> int:
    """Bytes of the collectives whose groups join devices of different languages.

    Args:
        hlo_text: of a program compiled for `mesh`.
        mesh: has an axis `language`.
        default_trips: for loops whose count the compiler does not know.

    Raises:
        ValueError: as for `read_collectives`.
    """
    return sum(
        one.bytes * one.times
        for one in read_collectives(hlo_text, mesh.size, default_trips)
        if "language" in one.axes(mesh)
    )


def _groups(attributes: str, devices: int) -> np.ndarray:
    match = _BY_AXIS.search(attributes)
    if match:
        sizes = {name: int(size) for name, size in re.findall(r"'(\w+)'=(\d+)", match[1])}
        within = re.findall(r"'(\w+)'", match[4])
        place = _iota(match[2] or str(devices), match[3])
        if set(within) <= set(sizes) and math.prod(sizes.values()) == place.size == devices:
            last = [list(sizes).index(name) for name in within]
            place = place.reshape(tuple(sizes.values()))
            place = np.moveaxis(place, last, range(-len(last), 0)) if last else place
            return place.reshape(-1, math.prod(sizes[name] for name in within))
    match = _IOTA.search(attributes)
    if match:
        return _iota(match[3], match[4]).reshape(int(match[1]), int(match[2]))
    match = _LISTED.search(attributes)
    if match:
        groups = [_numbers(group) for group in re.findall(r"\{([\d,]*)\}", match[1])]
        if not groups:  # no group named: all devices are one
            return np.arange(devices)[None]
        if len({len(group) for group in groups}) == 1:
            return np.array(groups)
    raise ValueError(f"unknown form of replica groups: {attributes[:300]}")


def _iota(shape: str, order: str | None) -> np.ndarray:
    """0, 1, 2 ... in a shape, its axes then turned into an order."""
    place = np.arange(math.prod(_numbers(shape))).reshape(_numbers(shape))
    return place.transpose(_numbers(order)) if order else place


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]
