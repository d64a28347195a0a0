"""The estimated cost of a compiled program on a chip, from its text: cycles, bytes, collectives.

The compiler's cycle counts leave out the interconnect and instructions without a count. The time of
the interconnect is estimated separately, from bytes and the published link speed. Instructions
without a count are charged max(flops / peak, bytes / bandwidth) from their shapes, and listed.
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
    """The cost of one run of a program on one device.

    Attributes:
        cycle_seconds: Sum of the compiler's cycle counts over the chip's clock.
        uncounted_seconds: Seconds charged for instructions without a count.
        uncounted: Kind of these instructions -> seconds.
        kernels: Number of executed kernels without a count. Their operations are not in the text,
            so only their bytes are charged.
        copy_seconds: Bytes of asynchronous copies over the HBM bandwidth; they overlap.
        link_seconds: Bytes that leave the device in collectives over the link bandwidth.
        collectives: (kind, axes) -> (count, bytes of their results).
    """

    cycle_seconds: float
    uncounted_seconds: float
    uncounted: dict[str, float]
    kernels: int
    copy_seconds: float
    link_seconds: float
    collectives: dict[tuple[str, tuple[str, ...]], tuple[int, int]]

    @property
    def seconds(self) -> float:
        """Computation alone: counted and charged, or the copies where those take longer."""
        return max(self.cycle_seconds + self.uncounted_seconds, self.copy_seconds)

    @property
    def cross_language_bytes(self) -> int:
        """Bytes of the collectives that join devices of different languages."""
        return sum(size for (_, axes), (_, size) in self.collectives.items() if "language" in axes)

    @property
    def uncounted_share(self) -> float:
        """Share of the time that was charged, not counted by the compiler."""
        return self.uncounted_seconds / max(self.cycle_seconds + self.uncounted_seconds, 1e-30)


def estimate(hlo_text: str, mesh: Mesh, chip: Chip, default_trips: hlo.Trips = None) -> Estimate:
    """Estimates the cost of a program compiled for `mesh`.

    Args:
        hlo_text: Text that `compiled.as_text()` returns.
        mesh: Mesh that the program was compiled for.
        chip: Figures of the mesh's devices.
        default_trips: Iterations of loops whose count the compiler does not know.

    Raises:
        ValueError: The text has an unknown form.
    """
    program = hlo.read_program(hlo_text)
    counts = hlo.executions(program, default_trips)
    cycles = copied = kernels = 0
    uncounted: dict[str, float] = collections.defaultdict(float)
    for name, instruction, times in hlo.scheduled(program, counts):
        kind = instruction.kind
        if instruction.cycles is not None:
            cycles += instruction.cycles * times
        elif kind in _ASYNC:
            copied += hlo.array_bytes(instruction.result) // 2 * times  # source and target
        elif not (kind in _FREE | _ASYNC_DONE or _communicates(program, instruction)):
            moved = _moved(program, name, instruction)
            flops = sum(hlo.matrix_flops(program, called) for called in _fused(instruction))
            uncounted[kind] += max(flops / chip.flops, moved / chip.hbm_bandwidth) * times
            kernels += times * (_KERNEL in instruction.rest)
    kinds: dict[tuple[str, tuple[str, ...]], tuple[int, int]] = {}
    leaving = 0.0
    for collective in read_collectives(hlo_text, mesh.size, default_trips):
        key = (collective.kind, collective.axes(mesh))
        count, size = kinds.get(key, (0, 0))
        kinds[key] = (count + collective.times, size + collective.bytes * collective.times)
        leaving += _leaving(collective) * collective.times
    return Estimate(
        cycle_seconds=cycles / chip.clock,
        uncounted_seconds=sum(uncounted.values()),
        uncounted=dict(sorted(uncounted.items(), key=operator.itemgetter(1), reverse=True)),
        kernels=kernels,
        copy_seconds=copied / chip.hbm_bandwidth,
        link_seconds=leaving / chip.link_bandwidth,
        collectives=kinds,
    )


def _fused(instruction: hlo.Instruction) -> list[str]:
    """Names of the computations of a fusion, none of other instructions."""
    return hlo.called(instruction) if instruction.kind == "fusion" else []


def _communicates(program: hlo.Program, instruction: hlo.Instruction) -> bool:
    """Whether an instruction is a collective, or a fusion around one."""
    kind = instruction.kind.removesuffix("-start").removesuffix("-done")
    if kind in KINDS or "ConcatBitcast" in instruction.rest:  # a custom call that moves nothing
        return True
    inner = (i for name in _fused(instruction) for i in program.computations[name].values())
    return any(_communicates(program, i) for i in inner)


def _moved(program: hlo.Program, computation: str, instruction: hlo.Instruction) -> int:
    """Bytes that an instruction of a computation reads and writes.

    If a fusion only gathers from an operand, the gathered part counts. If it scatters into an
    operand in place, the scattered part counts, read and written. An update of a slice is in place
    too and counts its part: a copy that it may need is an instruction of its own.
    """
    around = program.computations[computation]
    if instruction.kind == "dynamic-update-slice":
        return 2 * hlo.array_bytes(around[instruction.operands[1]].result)
    written = hlo.array_bytes(instruction.result)
    read = [hlo.array_bytes(around[operand].result) for operand in instruction.operands]
    for inside in (program.computations[name] for name in _fused(instruction)):
        for inner in inside.values():
            if inner.kind not in ("gather", "scatter"):
                continue
            source = inside[inner.operands[0]]
            users = [i for i in inside.values() if source.name in i.operands]
            if source.kind != "parameter" or users != [inner]:
                continue
            index = int(source.rest.partition(")")[0])
            part = inner.result if inner.kind == "gather" else inside[inner.operands[2]].result
            read[index] = hlo.array_bytes(part)
            if inner.kind == "scatter" and inner.line.lstrip().startswith("ROOT"):
                written = hlo.array_bytes(part)
    return written + sum(read)


def _leaving(collective: Collective) -> float:
    """Bytes that a device sends on a ring of its group's n devices."""
    n = collective.groups.shape[1]
    share = (n - 1) / n
    sent = {
        "all-reduce": 2 * share,
        "reduce-scatter": n - 1,
        "collective-broadcast": 1.0,
        "collective-permute": 1.0,
    }  # as a share of the result; all other collectives gather the parts of the n - 1 others
    return collective.bytes * sent.get(collective.kind, share)
