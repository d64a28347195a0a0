"""Reads an optimized HLO module: its computations, and how often each of them is run.

A loop's body counts as often as the compiler says that it runs, so a layer in a scan costs what
it costs. What is not known raises: a wrong sum is worse than none.
"""

import dataclasses
import itertools
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
_CONSTANT = re.compile(r"^(-?\d+)\)")
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
        return _number(_CYCLES, self.rest)

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
        computations: Name -> instructions by their names, in the order of the schedule.
        entry: Name of the computation that is run.
    """

    computations: dict[str, dict[str, Instruction]]
    entry: str


def read_program(text: str) -> Program:
    """Parses what `compiled.as_text()` returns.

    Raises:
        ValueError: an instruction that cannot be read, or no entry.
    """
    computations: dict[str, dict[str, Instruction]] = {}
    entry, current = None, None
    # what a kernel notes of itself is on lines of its own, within an instruction
    for line in _KERNEL_NOTES.sub("kernel_metadata={}", text).splitlines():
        if current is None:
            if header := _HEADER.match(line):
                current = computations.setdefault(header["name"], {})
                entry = header["name"] if header[1] else entry
        elif line.startswith("}"):
            current = None
        else:
            if not (match := _INSTRUCTION.match(line)):
                raise ValueError(f"cannot read an instruction: {line.strip()[:200]}")
            current[match["name"]] = Instruction(**match.groupdict(), line=line)
    if entry is None:
        raise ValueError("no entry computation: not an optimised HLO module")
    return Program(computations, entry)


Trips = int | Sequence[int] | None
"""Iterations of loops that may stop early: a number for all, or for each in scheduled order."""


def executions(program: Program, default_trips: Trips = None) -> dict[str, int]:
    """How often each computation runs in one run of the program; 0 = never.

    Args:
        program: The module.
        default_trips: Iterations of loops whose count is not in the text (which may stop early).

    Raises:
        ValueError: A loop of unknown length without a default, or an unknown computation.
    """
    counts = dict.fromkeys(program.computations, 0)
    several = isinstance(default_trips, Sequence)
    left = iter(default_trips) if several else itertools.repeat(default_trips)
    lengths: dict[str, int | None] = {}  # a loop that is reached twice is the same loop

    def default(loop: Instruction) -> int | None:
        if loop.name not in lengths:
            lengths[loop.name] = next(left, None)
        return lengths[loop.name]

    def visit(name: str, times: int) -> None:
        if name not in counts:
            raise ValueError(f"unknown computation {name!r}")
        counts[name] += times
        for instruction in program.computations[name].values():
            loops = instruction.kind == "while"
            inner = times * (_trips(program, name, instruction, default) if loops else 1)
            # every branch: an upper bound
            for computation in called(instruction) + _branches(instruction):
                visit(computation, inner)

    visit(program.entry, 1)
    return counts


def called(instruction: Instruction) -> list[str]:
    """Names of the computations that an instruction refers to, without branches."""
    return _CALLED.findall(instruction.rest)


def _branches(instruction: Instruction) -> list[str]:
    branches = _BRANCHES.findall(instruction.rest)
    return [name for names, single in branches for name in _OPERAND.findall(names) or [single]]


def _trips(
    program: Program, name: str, loop: Instruction, default: Callable[[Instruction], int | None]
) -> int:
    trips = _number(_TRIPS, loop.rest)
    trips = _counted(program, name, loop) if trips is None else trips
    trips = default(loop) if trips is None else trips
    if trips is None:
        raise ValueError(f"a loop of unknown length: {loop.line.strip()[:200]}")
    return trips


def _counted(program: Program, name: str, loop: Instruction) -> int | None:
    """Iterations of a loop that counts up from a constant to a constant by a constant; else None.

    A product that is spread over a ring of devices takes two parts at a time.
    """
    attributes = dict(re.findall(r"(condition|body)=%([\w.\-]+)", loop.rest))
    test = program.computations.get(attributes.get("condition", ""))
    body = program.computations.get(attributes.get("body", ""))
    around = program.computations[name]
    if not test or not body:
        return None
    compare, last = list(test.values())[-1], list(body.values())[-1]
    if compare.kind != "compare" or "direction=LT" not in compare.rest or last.kind != "tuple":
        return None
    counter, limit = (test.get(operand) for operand in compare.operands[:2])
    index = _number_of("get-tuple-element", _INDEX, counter)
    start = around.get(loop.operands[0])
    if index is None or start is None or start.kind != "tuple":
        return None
    step = body.get(last.operands[index])
    terms = [body[operand] for operand in step.operands] if step and step.kind == "add" else []
    same = any(_number_of("get-tuple-element", _INDEX, term) == index for term in terms)
    first = around.get(start.operands[index])
    while first and first.kind == "copy":
        first = around.get(first.operands[0])
    limit, first, *strides = (_number_of("constant", _CONSTANT, i) for i in (limit, first, *terms))
    strides = [stride for stride in strides if stride is not None]
    if limit is None or first is None or not same or len(strides) != 1 or strides[0] < 1:
        return None
    return max(-(-(limit - first) // strides[0]), 0)


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match[1]) if match else None


def _number_of(kind: str, pattern: re.Pattern, instruction: Instruction | None) -> int | None:
    """The number that a pattern matches in an instruction of a kind; None for other kinds."""
    return _number(pattern, instruction.rest) if instruction and instruction.kind == kind else None


def scheduled(program: Program, counts: dict[str, int]) -> Iterator[tuple[str, Instruction, int]]:
    """The instructions that run one after the other, without the insides of fusions.

    Yields (computation, instruction, number of executions).
    """
    pending, seen = [program.entry], set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for instruction in program.computations[name].values():
            yield name, instruction, counts[name]
            if instruction.kind in ("while", "call", "conditional"):
                pending += called(instruction) + _branches(instruction)


def array_bytes(result: str) -> int:
    """Bytes of an array or of a tuple's arrays; types of less than a byte count as one."""
    total = 0
    for kind, shape in _ARRAY.findall(result):
        digits = re.search(r"\d+", kind)
        width = max(int(digits[0]) // 8, 1) if digits else 1
        total += width * math.prod(numbers(shape))
    return total


def matrix_flops(program: Program, name: str) -> int:
    """Operations of the products and convolutions in one run of a computation.

    Raises:
        ValueError: The shapes of a product cannot be read.
    """
    total = 0
    instructions = program.computations[name]
    for instruction in instructions.values():
        if instruction.kind in ("dot", "convolution"):
            elements = math.prod(_dimensions(instruction.result))
            total += 2 * elements * _contracted(instruction, instructions)
        for inner in called(instruction) if instruction.kind in ("fusion", "call") else ():
            total += matrix_flops(program, inner)
    return total


def _contracted(product: Instruction, instructions: dict[str, Instruction]) -> int:
    left, right = (_dimensions(instructions[name].result) for name in product.operands[:2])
    sides, labels = _SIDES.search(product.rest), _LABELS.search(product.rest)
    if product.kind == "dot" and sides:
        return math.prod(left[axis] for axis in numbers(sides[1]))
    if product.kind == "convolution" and labels:
        return math.prod(size for size, label in zip(right, labels[2]) if label != "o")
    raise ValueError(f"cannot read the shapes of a product: {product.line.strip()[:200]}")


def _dimensions(result: str) -> list[int]:
    match = _ARRAY.search(result)
    if match is None:
        raise ValueError(f"cannot read the shape of {result[:200]}")
    return numbers(match[2])


def numbers(text: str) -> list[int]:
    """The numbers of a list such as `8,128`; a comma may end it."""
    return [int(number) for number in text.split(",") if number]
