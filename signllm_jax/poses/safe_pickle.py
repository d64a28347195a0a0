"""Reads the pickles inside numpy's files without running any code that they ask for.

`numpy.load(allow_pickle=True)` runs whatever a file asks for. This is a small stack machine of our
own: it knows the two dozen opcodes that numpy writes, builds numbers, texts, tuples, lists,
dictionaries and arrays, and calls nothing.
"""

import math
import pickletools
import sys
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

MAX_DEPTH = 8  # of nested dictionaries and lists
_SLOT, _LEAST, _MEMO, _CONTAINER, _ENTRY = 8, 40, 100, 72, 120
"""Bytes of a slot of a list, a number, a memo, an empty container and an entry."""
_COSTS = {name: _MEMO for name in ("BINPUT", "LONG_BINPUT", "MEMOIZE")}
_COSTS |= {name: _CONTAINER for name in ("MARK", "EMPTY_LIST", "EMPTY_DICT", "REDUCE", "BUILD")}
"""Bytes that an opcode takes; the others take `_LEAST`."""
_ITEM_COSTS = {"TUPLE": _SLOT, "APPENDS": _SLOT, "SETITEM": _ENTRY // 2, "SETITEMS": _ENTRY // 2}
"""Bytes that an opcode takes for each object of the stack that it puts into a container."""
_TAKEN = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "APPEND": 1, "SETITEM": 2}
_TAKEN |= {"STACK_GLOBAL": 2, "REDUCE": 2, "BUILD": 1, "STOP": 1}
"""Number of objects that an opcode takes from the stack."""
_TAKES_TO_MARK = ("TUPLE", "APPENDS", "SETITEMS")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

_MODULES = {"_reconstruct": "multiarray", "scalar": "multiarray", "_frombuffer": "numeric"}
# module and name of what numpy may ask to be called while unpickling, in its old and new modules
_CALLABLES = {("numpy", "ndarray"), ("numpy", "dtype")} | {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for name, module in _MODULES.items()
}


class Refused(ValueError):
    """The file asks for something that poses do not need."""


class _Growth:
    """The bytes that a pickle may still build: an opcode of one byte can build a hundred."""

    def __init__(self, limit: int):
        self.limit = self.left = limit

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Refused(f"a pickle that grows beyond {self.limit} bytes")


class _Callable(str):
    """The name of a function that a pickle wants to call; it is never called itself."""


class Dtype:
    """A type of numbers, or of objects; raises Refused for any other."""

    def __init__(self, code: str):
        try:
            self.value = np.dtype(code)
        except Exception:  # numpy's parser of type codes raises whatever it meets
            raise Refused(f"unknown number type {code!r:.40}") from None
        if self.value.kind not in "fiubO" or self.value.subdtype or self.value.fields:
            raise Refused(f"unsupported number type {code!r:.40}")

    def build(self, state: Any) -> None:
        """Takes the byte order out of numpy's state of a dtype."""
        order = state[1] if isinstance(state, tuple) and len(state) >= 2 else None
        if order not in ("<", ">", "=", "|"):
            raise Refused("a damaged number type")
        self.value = self.value.newbyteorder(order)


class _Array:
    """An array that is not finished: `build` fills it."""

    value: Any = None

    def build(self, state: Any) -> None:
        """Takes numpy's state of an array: version, shape, type, order, content."""
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], Dtype)):
            raise Refused("a damaged array")
        _, shape, dtype, fortran, content = state
        if dtype.value.kind == "O":
            if not isinstance(content, list) or _count(shape) != len(content):
                raise Refused("a damaged array of objects")
            self.value = content
        else:
            self.value = make_array(content, dtype, shape, "F" if fortran else "C")


def _count(shape: Any) -> int:
    short = isinstance(shape, tuple) and len(shape) <= 8
    if not short or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise Refused("a damaged shape")
    return math.prod(shape)


def make_array(content: Any, dtype: Dtype, shape: Any, order: Literal["C", "F"]) -> np.ndarray:
    """Makes an array from bytes; raises Refused where their number does not fit the shape."""
    if dtype.value.kind == "O" or not isinstance(content, bytes):
        raise Refused("a damaged array")
    if _count(shape) * dtype.value.itemsize != len(content):
        raise Refused("an array whose size is not its shape's")
    return np.frombuffer(content, dtype.value).reshape(shape, order=order)


def _call(name: Any, arguments: Any) -> Any:
    if not isinstance(name, _Callable) or not isinstance(arguments, tuple):
        raise Refused("a call of an object that is no function")
    if name == "_reconstruct":
        return _Array()
    if name == "dtype" and arguments and isinstance(arguments[0], str):
        return Dtype(arguments[0])
    if name == "scalar" and len(arguments) == 2 and isinstance(arguments[0], Dtype):
        return make_array(arguments[1], arguments[0], (), "C")
    if name == "_frombuffer" and len(arguments) == 4 and isinstance(arguments[1], Dtype):
        content, dtype, shape, order = arguments
        return make_array(content, dtype, shape, "F" if order == "F" else "C")
    raise Refused(f"a call of {name}")


def _tuple(items: list) -> tuple:
    # numpy nests two deep; deeper tuples would overflow the stack of whatever walks through them
    if any(isinstance(item, tuple) and tuple in map(type, item) for item in items):
        raise Refused("tuples nested too deep")
    return tuple(items)


def _set_items(target: Any, items: list) -> None:
    if not isinstance(target, dict):
        raise Refused("a damaged dictionary")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str):
            raise Refused("a dictionary with a key that is no text")
        target[key] = value


def _size(opcode: str, argument: Any) -> int:
    """About how many bytes an opcode adds; none is free, since each takes time."""
    text = isinstance(argument, str | bytes | bytearray)
    return _COSTS.get(opcode, _LEAST) + (sys.getsizeof(argument) if text else 0)


def _opcodes(pickle: bytes) -> Iterator[tuple[str, Any]]:
    """The name and the argument of each opcode; the name tells the argument's type."""
    for opcode, argument, _ in pickletools.genops(pickle):
        yield opcode.name, argument


def _run(pickle: bytes, growth: _Growth) -> Any:
    """Runs the opcodes of a pickle and returns what it builds, arrays unfinished."""
    stack: list[Any] = []
    marks: list[list[Any]] = []
    memo: dict[int, Any] = {}
    for opcode, argument in _opcodes(pickle):
        growth.take(_size(opcode, argument))
        if opcode in _TAKES_TO_MARK:
            items, stack = stack, marks.pop()
        else:
            items = [stack.pop() for _ in range(_TAKEN.get(opcode, 0))][::-1]
        growth.take(_ITEM_COSTS.get(opcode, 0) * len(items))
        match opcode:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                marks.append(stack)
                stack = []
            case "STOP":
                return items[0]
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE":
                stack.append(_CONSTANTS[opcode])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8":
                stack.append(argument)
            case "BYTEARRAY8":
                stack.append(bytes(argument))
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(_tuple(items))
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "APPEND" | "APPENDS":
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                _set_items(stack[-1], items)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_global(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                stack.append(_global(*items))
            case "REDUCE":
                stack.append(_call(*items))
            case "BUILD":
                target = stack[-1]
                if not isinstance(target, _Array | Dtype):
                    raise Refused("a state for an object that has none")
                target.build(*items)
            case name:
                raise Refused(f"the pickle opcode {name}")
    raise Refused("a pickle without an end")


def _global(module: Any, name: Any) -> _Callable:
    if not isinstance(module, str) or (module, name) not in _CALLABLES:
        raise Refused(f"a call of {module}.{name}"[:120])
    return _Callable(name)


def _finish(value: Any, growth: _Growth, depth: int = 0) -> Any:
    """Replaces array makers by their arrays; shared objects are copied, so each copy counts."""
    if depth > MAX_DEPTH:
        raise Refused("objects nested too deep")
    growth.take(_SLOT)
    if isinstance(value, _Array):
        return _finish(value.value, growth, depth)
    if isinstance(value, dict):
        growth.take(_CONTAINER + _ENTRY * len(value))
        return {key: _finish(item, growth, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        growth.take(_CONTAINER + _SLOT * len(value))
        return [_finish(item, growth, depth + 1) for item in value]
    if isinstance(value, np.ndarray | int | float):
        return value
    raise Refused(f"an object of type {type(value).__name__}")


def read_pickle(content: bytes, limit: int) -> Any:
    """Reads the pickle that numpy writes for an array of objects.

    Args:
        content: the pickle.
        limit: largest number of bytes that are built while it is read.

    Returns:
        Dictionaries, lists, arrays and numbers.

    Raises:
        Refused: it asks for anything else. Damage may also raise almost any other Exception.
    """
    growth = _Growth(limit)
    return _finish(_run(content, growth), growth)
