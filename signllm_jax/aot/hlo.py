"""Reads an optimized HLO module: its computations, and how often each of them is run.

A loop's body counts as often as the compiler says that it runs, so a layer in a scan costs what
it costs. What is not known raises: a wrong sum is worse than none.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Sequence

_HEADER = re.compile(r"^(ENTRY )?%?(?P<name>[\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?%(?P<name>[\w.\-]+) = (?P<result>\(.*?\)|\S+) (?P<kind>[\w\-]+)\((?P<rest>.*)$"
)
_KERNEL_NOTES = re.compile(r"kernel_metadata=\{\n.*?\n\}", re.DOTALL)
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CALLED = re.compile(r"(?:calls|to_apply|body|condition)=%([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}|(?:true|false)_computation=%([\w.\-]+)")
_INDEX = re.compile(r"index=(\d+)")
_OPERAND = re.compile(r"%([\w.\-]+)")
_ARRAY = re.compile(r"\b(pred|[suf]\d+\w*|bf16|c\d+)\[([\d,]*)\]")
_SIDES = re.compile(r"lhs_contracting_dims=\{([\d,]*)\}")
_LABELS = re.compile(r"dim_labels=(\w+)_(\w+)->(\w+)")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
        name: unique in its computation.
        kind: opcode.
        result: its type, with layouts.
        rest: operands and attributes as they are written.
        line: the whole line.
    """

    name: str
    kind: str
    result: str
    rest: str
    line: str

    @property
    def cycles(self) -> int | None:
        """The compiler's estimate of one execution; None where it gives none."""
        found = _CYCLES.search(self.rest)
        return int(found[1]) if found else None

    @property
    def operands(self) -> list[str]:
        """Names of the operands."""
        depth = 1
        for end, letter in enumerate(self.rest):
            depth += (letter == "(") - (letter == ")")
            if not depth:
                return _OPERAND.findall(self.rest[:end])
        return []


@dataclasses.dataclass(frozen=True)
class Program:
    """A module.

    Attributes:
        computations: name -> instructions in the order of the schedule.
        entry: name of the computation that is run.
    """

    computations: dict[str, list[Instruction]]
    entry: str


def read_program(text: str) -> Program:
    """Parses what `compiled.as_text()` returns.

    Raises:
        ValueError: an instruction that cannot be read, or no entry.
    """
    computations: dict[str, list[Instruction]] = {}
    entry, current = None, None
    # what a kernel notes of itself is on lines of its own, within an instruction
    for line in _KERNEL_NOTES.sub("kernel_metadata={}", text).splitlines():
        if current is None:
            header = _HEADER.match(line)
            if header:
                current = computations.setdefault(header["name"], [])
                entry = header["name"] if header[1] else entry
        elif line.startswith("}"):
            current = None
        else:
            match = _INSTRUCTION.match(line)
            if not match:
                raise ValueError(f"cannot read an instruction: {line.strip()[:200]}")
            current.append(
                Instruction(match["name"], match["kind"], match["result"], match["rest"], line)
            )
    if entry is None:
        raise ValueError("no entry computation: not an optimised HLO module")
    return Program(computations, entry)


Trips = int | Sequence[int] | None
"""How often loops run that may stop early: all of them, or each in the order of the schedule."""


def executions(program: Program, default_trips: Trips = None) -> dict[str, int]:
    """How often each computation runs in one run of the program; 0 = never.

    Args:
        program: the module.
        default_trips: for loops whose count is not in the text (one that stops early).

    Raises:
        ValueError: a loop of unknown length and no default, or a call to what is not there.
    """
    counts = dict.fromkeys(program.computations, 0)
    if isinstance(default_trips, Sequence):
        left = iter(default_trips)
        lengths: dict[str, int | None] = {}  # a loop that is reached twice is the same loop
        default = lambda loop: lengths.setdefault(loop.name, next(left, None))  # noqa: E731
    else:
        default = lambda loop: default_trips  # noqa: E731

    def visit(name: str, times: int) -> None:
        if name not in counts:
            raise ValueError(f"unknown computation {name!r}")
        counts[name] += times
        for one in program.computations[name]:
            inner = times * (_trips(program, name, one, default) if one.kind == "while" else 1)
            for other in called(one):
                visit(other, inner)
            for several, single in _BRANCHES.findall(one.rest):
                for branch in _OPERAND.findall(several) or [single]:
                    visit(branch, inner)  # every branch: an upper bound

    visit(program.entry, 1)
    return counts


def called(one: Instruction) -> list[str]:
    """Names of the computations that an instruction refers to, branches left out."""
    return _CALLED.findall(one.rest)


def _trips(
    program: Program, name: str, loop: Instruction, default: Callable[[Instruction], int | None]
) -> int:
    found = _TRIPS.search(loop.rest)
    trips = int(found[1]) if found else _counted(program, name, loop)
    if trips is None:
        trips = default(loop)
    if trips is None:
        raise ValueError(f"a loop of unknown length: {loop.line.strip()[:200]}")
    return trips


def _counted(program: Program, name: str, loop: Instruction) -> int | None:
    """How often a loop runs that counts up from a constant to a constant by a constant; else None.

    A product that is spread over a ring of devices takes two parts at a time.
    """
    attributes = dict(re.findall(r"(condition|body)=%([\w.\-]+)", loop.rest))
    test, body, around = (
        {one.name: one for one in program.computations.get(key, [])}
        for key in (attributes.get("condition", ""), attributes.get("body", ""), name)
    )
    if not test or not body:
        return None
    compare, last = list(test.values())[-1], list(body.values())[-1]
    if compare.kind != "compare" or "direction=LT" not in compare.rest or last.kind != "tuple":
        return None
    counter, limit = (test.get(operand) for operand in compare.operands[:2])
    place = counter and counter.kind == "get-tuple-element" and _INDEX.search(counter.rest)
    start = around.get(loop.operands[0])
    if not place or start is None or start.kind != "tuple":
        return None
    index = int(place[1])
    step = body.get(last.operands[index])
    by = [body[operand] for operand in step.operands] if step and step.kind == "add" else []
    same = any(one.kind == "get-tuple-element" and _place(one) == index for one in by)
    first = around.get(start.operands[index])
    while first and first.kind == "copy":
        first = around.get(first.operands[0])
    numbers = [_constant(one) for one in (limit, first, *by)]
    limit, first = numbers[:2]
    strides = [number for number in numbers[2:] if number is not None]
    if limit is None or first is None or not same or len(strides) != 1 or strides[0] < 1:
        return None
    return max(-(-(limit - first) // strides[0]), 0)


def _place(one: Instruction) -> int | None:
    found = _INDEX.search(one.rest)
    return int(found[1]) if found else None


def _constant(one: Instruction | None) -> int | None:
    """The number of an integer constant."""
    found = one and one.kind == "constant" and re.match(r"(-?\d+)\)", one.rest)
    return int(found[1]) if found else None


def scheduled(program: Program, counts: dict[str, int]) -> Iterator[tuple[str, Instruction, int]]:
    """The instructions that run one after the other (not the insides of fusions), with how often.

    Yields (computation, instruction, times).
    """
    pending, seen = [program.entry], set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for one in program.computations[name]:
            yield name, one, counts[name]
            if one.kind in ("while", "call", "conditional"):
                pending += called(one)
                for several, single in _BRANCHES.findall(one.rest):
                    pending += _OPERAND.findall(several) or [single]


def array_bytes(result: str) -> int:
    """Bytes of an array or of a tuple's arrays; types of less than a byte count as one."""
    total = 0
    for kind, shape in _ARRAY.findall(result):
        digits = re.search(r"\d+", kind)
        width = max(int(digits[0]) // 8, 1) if digits else 1
        total += width * math.prod(_numbers(shape))
    return total


def matrix_flops(program: Program, name: str) -> int:
    """Operations of the products and convolutions inside of a computation, one run of it.

    Raises:
        ValueError: a product whose shapes cannot be read.
    """
    total = 0
    shapes = {one.name: one.result for one in program.computations[name]}
    for one in program.computations[name]:
        if one.kind in ("dot", "convolution"):
            total += 2 * _elements(one.result) * _contracted(one, shapes)
        for inner in called(one) if one.kind in ("fusion", "call") else ():
            total += matrix_flops(program, inner)
    return total


def _contracted(one: Instruction, shapes: dict[str, str]) -> int:
    left, right = (_dimensions(shapes[name]) for name in one.operands[:2])
    sides, labels = _SIDES.search(one.rest), _LABELS.search(one.rest)
    if one.kind == "dot" and sides:
        return math.prod(left[int(axis)] for axis in sides[1].split(",") if axis)
    if one.kind == "convolution" and labels:
        kernel = labels[2]
        return math.prod(size for size, label in zip(right, kernel) if label != "o")
    raise ValueError(f"cannot read the shapes of a product: {one.line.strip()[:200]}")


def _dimensions(result: str) -> list[int]:
    found = _ARRAY.search(result)
    if found is None:
        raise ValueError(f"cannot read the shape of {result[:200]}")
    return _numbers(found[2])


def _elements(result: str) -> int:
    return math.prod(_dimensions(result))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]
