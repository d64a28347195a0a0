"""What a compiled program would cost on a chip, from its own text: cycles, bytes, collectives.

The compiler's cycle counts leave out the interconnect and what it gives no count for. The first
is estimated beside, from bytes and the published link speed; the second is charged
max(flops / peak, bytes / bandwidth) from shapes, and listed.
"""

import collections
import dataclasses
import operator

from jax.sharding import Mesh

from signllm_jax.aot import hlo
from signllm_jax.aot.chips import Chip
from signllm_jax.aot.collectives import KINDS, Collective, read_collectives

UNCOUNTED_LIMIT = 0.05
"""Largest share of uncounted work with which a utilization is claimed."""

_KERNEL = 'custom_call_target="tpu_custom_call"'
# what moves no data by itself
_FREE = {
    "after-all",
    "async-done",
    "async-update",
    "bitcast",
    "call",
    "conditional",
    "constant",
    "get-tuple-element",
    "iota",
    "opt-barrier",
    "parameter",
    "partition-id",
    "replica-id",
    "tuple",
    "while",
}
# copies between memories that run beside the computation; their bytes are held against HBM
_ASYNC = {"copy-start", "slice-start", "dynamic-slice-start", "dynamic-update-slice-start"}
_ASYNC_DONE = {kind.replace("start", "done") for kind in _ASYNC}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Of one run of a program on one device.

    Attributes:
        cycle_seconds: sum of the compiler's cycle counts over the chip's clock.
        uncounted_seconds: charged for instructions without a count.
        uncounted: kind -> seconds of them.
        kernels: how many kernels without a count are run, whose operations are not in the text: of
            them only the bytes are charged.
        copy_seconds: bytes of asynchronous copies over the HBM bandwidth; they overlap.
        link_seconds: bytes that leave the device in collectives over the link bandwidth.
        collectives: (kind, axes) -> (count, bytes of their results).
        cross_language_bytes: of the collectives that join devices of different languages.
    """

    cycle_seconds: float
    uncounted_seconds: float
    uncounted: dict[str, float]
    kernels: int
    copy_seconds: float
    link_seconds: float
    collectives: dict[tuple[str, tuple[str, ...]], tuple[int, int]]
    cross_language_bytes: int

    @property
    def seconds(self) -> float:
        """Computation alone: counted and charged, or the copies where those take longer."""
        return max(self.cycle_seconds + self.uncounted_seconds, self.copy_seconds)

    @property
    def uncounted_share(self) -> float:
        """Share of the time that was charged, not counted by the compiler."""
        return self.uncounted_seconds / max(self.cycle_seconds + self.uncounted_seconds, 1e-30)


def estimate(hlo_text: str, mesh: Mesh, chip: Chip, default_trips: hlo.Trips = None) -> Estimate:
    """Reads a program compiled for `mesh`.

    Args:
        hlo_text: what `compiled.as_text()` returns.
        mesh: the mesh.
        chip: its devices.
        default_trips: for loops whose count the compiler does not know.

    Raises:
        ValueError: something in the text that is not known.
    """
    program = hlo.read_program(hlo_text)
    counts = hlo.executions(program, default_trips)
    cycles = copied = kernels = 0
    uncounted: dict[str, float] = collections.defaultdict(float)
    exchanged = read_collectives(hlo_text, mesh.size, default_trips)
    shapes: dict[str, dict[str, str]] = {}
    for name, one, times in hlo.scheduled(program, counts):
        if one.cycles is not None:
            cycles += one.cycles * times
        elif one.kind in _ASYNC:
            copied += hlo.array_bytes(one.result) // 2 * times  # source and target are listed
        elif not (one.kind in _FREE | _ASYNC_DONE or _communicates(program, one)):
            known = shapes.setdefault(name, {i.name: i.result for i in program.computations[name]})
            moved = _moved(program, one, known)
            flops = _flops(program, one)
            seconds = max(flops / chip.flops, moved / chip.hbm_bandwidth)
            uncounted[one.kind] += seconds * times
            kernels += times * (_KERNEL in one.rest)
    kinds: dict[tuple[str, tuple[str, ...]], tuple[int, int]] = {}
    leaving = 0.0
    for one in exchanged:
        key = (one.kind, one.axes(mesh))
        count, size = kinds.get(key, (0, 0))
        kinds[key] = (count + one.times, size + one.bytes * one.times)
        leaving += _leaving(one) * one.times
    return Estimate(
        cycle_seconds=cycles / chip.clock,
        uncounted_seconds=sum(uncounted.values()),
        uncounted=dict(sorted(uncounted.items(), key=operator.itemgetter(1), reverse=True)),
        kernels=kernels,
        copy_seconds=copied / chip.hbm_bandwidth,
        link_seconds=leaving / chip.link_bandwidth,
        collectives=kinds,
        cross_language_bytes=sum(
            size for (_, axes), (_, size) in kinds.items() if "language" in axes
        ),
    )


def _communicates(program: hlo.Program, one: hlo.Instruction) -> bool:
    """Whether an instruction is a collective, or a fusion around one."""
    if one.kind.removesuffix("-start").removesuffix("-done") in KINDS:
        return True
    if "ConcatBitcast" in one.rest:  # a custom call that moves nothing
        return True
    inner = hlo.called(one) if one.kind == "fusion" else ()
    return any(_communicates(program, i) for name in inner for i in program.computations[name])


def _flops(program: hlo.Program, one: hlo.Instruction) -> int:
    if one.kind != "fusion":
        return 0
    return sum(hlo.matrix_flops(program, called) for called in hlo.called(one))


def _moved(program: hlo.Program, one: hlo.Instruction, known: dict[str, str]) -> int:
    """Bytes that an instruction reads and writes.

    Of what a fusion only gathers from the gathered part counts, and of what it scatters into in
    place the scattered part, read and written. So does the part that is written into a slice: it is
    in place, where a copy is needed first that is an instruction of its own.
    """
    if one.kind == "dynamic-update-slice":
        return 2 * hlo.array_bytes(known[one.operands[1]])
    written = hlo.array_bytes(one.result)
    read = [hlo.array_bytes(known[operand]) for operand in one.operands]
    for name in hlo.called(one) if one.kind == "fusion" else ():
        inside = {i.name: i for i in program.computations[name]}
        for inner in inside.values():
            if inner.kind not in ("gather", "scatter"):
                continue
            source = inside[inner.operands[0]]
            users = [i for i in inside.values() if source.name in i.operands]
            if source.kind != "parameter" or users != [inner]:
                continue
            place = int(source.rest.partition(")")[0])
            part = inner.result if inner.kind == "gather" else inside[inner.operands[2]].result
            read[place] = hlo.array_bytes(part)
            if inner.kind == "scatter" and inner.line.lstrip().startswith("ROOT"):
                written = hlo.array_bytes(part)
    return written + sum(read)


def _leaving(one: Collective) -> float:
    """Bytes that a device sends on a ring of its group's n devices."""
    n = one.groups.shape[1]
    share = (n - 1) / n
    return {
        "all-gather": one.bytes * share,
        "all-reduce": 2 * one.bytes * share,
        "all-to-all": one.bytes * share,
        "ragged-all-to-all": one.bytes * share,
        "reduce-scatter": one.bytes * (n - 1),
        "collective-broadcast": float(one.bytes),
        "collective-permute": float(one.bytes),
    }[one.kind]
