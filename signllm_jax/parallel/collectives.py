"""Reads the collectives out of a compiled program: what it moves, and between which devices."""

import dataclasses
import math
import re

import numpy as np
from jax.sharding import Mesh

_KINDS = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "collective-permute",
    "ragged-all-to-all",
    "reduce-scatter",
)
# a collective's result, kind and attributes; `-done` halves of asynchronous ones are not matched
_LINE = re.compile(rf" = (?P<result>.*?) (?P<kind>{'|'.join(_KINDS)})(-start)?\((?P<rest>.*)$")
_POINT_TO_POINT = re.compile(r" = .*? (send|recv)\(")
_ARRAY = re.compile(r"\b(pred|[suf]\d+\w*|bf16|c\d+)\[([\d,]*)\]")
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
    """

    kind: str
    bytes: int
    groups: np.ndarray


def read_collectives(hlo_text: str, devices: int) -> list[Collective]:
    """The collectives of an optimised HLO module.

    Args:
        hlo_text: what `compiled.as_text()` returns.
        devices: number of devices it was compiled for.

    Raises:
        ValueError: replica groups of a form, or a kind of transfer, that is not known.
    """
    found = []
    for line in hlo_text.splitlines():
        if _POINT_TO_POINT.search(line):
            raise ValueError(f"cannot tell whom it joins: {line.strip()[:200]}")
        match = _LINE.search(line)
        if match:
            groups = _groups(match["rest"], devices)
            found.append(Collective(match["kind"], _size(match["result"]), groups))
    return found


def cross_language_bytes(hlo_text: str, mesh: Mesh) -> int:
    """Bytes of the collectives whose groups join devices of different languages.

    Args:
        hlo_text: of a program compiled for `mesh`.
        mesh: has an axis `language`.

    Raises:
        ValueError: as for `read_collectives`.
    """
    shape = mesh.devices.shape
    language = np.indices(shape)[mesh.axis_names.index("language")].reshape(-1)
    return sum(
        one.bytes
        for one in read_collectives(hlo_text, mesh.size)
        if (language[one.groups] != language[one.groups[:, :1]]).any()
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


def _size(result: str) -> int:
    """Bytes of an array or of a tuple's arrays; types of less than a byte count as one."""
    total = 0
    for kind, shape in _ARRAY.findall(result):
        digits = re.search(r"\d+", kind)
        width = max(int(digits[0]) // 8, 1) if digits else 1
        total += width * math.prod(_numbers(shape))
    return total
