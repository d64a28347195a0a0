"""Reads the pickles inside numpy's files without running anything that they say.

`numpy.load(allow_pickle=True)` runs whatever a file asks for. This is a small machine of our own:
it knows the two dozen opcodes that numpy writes, builds numbers, texts, tuples, lists, dictionaries
and arrays, and calls nothing.
"""

import math
import pickletools
import sys
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

MAX_DEPTH = 8  # of dictionaries and lists in each other
_SLOT, _LEAST, _MEMO, _CONTAINER, _ENTRY = 8, 40, 100, 72, 120
"""Bytes that a place in a list, a number, a memo, an empty container and an entry take."""

# what numpy may ask to be called while unpickling, by the names of its old and new modules
_CALLABLES = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
} | {
    (f"numpy.{core}.{module}", name): name
    for core in ("core", "_core")
    for module, name in (
        ("multiarray", "_reconstruct"),
        ("multiarray", "scalar"),
        ("numeric", "_frombuffer"),
    )
}


class Refused(ValueError):
    """The file asks for something that poses do not need."""


class _Growth:
    """What a pickle may still build, in bytes: an opcode of one byte can build a hundred."""

    def __init__(self, limit: int):
        self.limit = self.left = limit

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Refused(f"a pickle that grows beyond {self.limit} bytes")


class _Callable(str):
    """The name of something that a pickle wants to call; it is never called itself."""


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
    """An array in the making: `build` fills it."""

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
    if not isinstance(shape, tuple) or len(shape) > 8:
        raise Refused("a damaged shape")
    if not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise Refused("a damaged shape")
    return math.prod(shape)


def make_array(content: Any, dtype: Dtype, shape: Any, order: Literal["C", "F"]) -> np.ndarray:
    """Makes an array of bytes; raises Refused where their number is not that of the shape."""
    if dtype.value.kind == "O" or not isinstance(content, bytes):
        raise Refused("a damaged array")
    if _count(shape) * dtype.value.itemsize != len(content):
        raise Refused("an array whose size is not its shape's")
    return np.frombuffer(content, dtype.value).reshape(shape, order=order)


def _call(name: Any, arguments: Any) -> Any:
    if not isinstance(name, _Callable) or not isinstance(arguments, tuple):
        raise Refused("a call of what is no function")
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
    # numpy nests two deep; a tower of tuples would overflow whatever walks it
    if any(isinstance(one, tuple) and any(isinstance(two, tuple) for two in one) for one in items):
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
    if opcode in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
        return _MEMO
    if opcode in ("MARK", "EMPTY_LIST", "EMPTY_DICT", "REDUCE", "BUILD"):
        return _CONTAINER
    text = isinstance(argument, str | bytes | bytearray)
    return _LEAST + (sys.getsizeof(argument) if text else 0)


def _opcodes(pickle: bytes) -> Iterator[tuple[str, Any]]:
    """The names of a pickle's opcodes with their arguments, whose types the names tell."""
    for opcode, argument, _ in pickletools.genops(pickle):
        yield opcode.name, argument


def _run(pickle: bytes, growth: _Growth) -> Any:
    """Runs the opcodes of a pickle and returns what it builds, arrays unfinished."""
    stack: list[Any] = []
    marks: list[list[Any]] = []
    memo: dict[int, Any] = {}
    for opcode, argument in _opcodes(pickle):
        growth.take(_size(opcode, argument))
        match opcode:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                marks.append(stack)
                stack = []
            case "STOP":
                return stack.pop()
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BINBYTES" | "SHORT_BINBYTES" | "BINBYTES8":
                stack.append(argument)
            case "BYTEARRAY8":
                stack.append(bytes(argument))
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(opcode[-1])
                items = [stack.pop() for _ in range(size)][::-1]
                stack.append(_tuple(items))
            case "TUPLE":
                items, stack = stack, marks.pop()
                growth.take(_SLOT * len(items))
                stack.append(_tuple(items))
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "APPEND":
                stack[-2].append(stack.pop())
            case "APPENDS":
                items, stack = stack, marks.pop()
                growth.take(_SLOT * len(items))
                stack[-1].extend(items)
            case "SETITEM":
                items = [stack.pop() for _ in range(2)][::-1]
                growth.take(_ENTRY)
                _set_items(stack[-1], items)
            case "SETITEMS":
                items, stack = stack, marks.pop()
                growth.take(_ENTRY * len(items) // 2)
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
                name, module = stack.pop(), stack.pop()
                stack.append(_global(module, name))
            case "REDUCE":
                arguments, name = stack.pop(), stack.pop()
                stack.append(_call(name, arguments))
            case "BUILD":
                state = stack.pop()
                if not isinstance(stack[-1], _Array | Dtype):
                    raise Refused("a state for what has none")
                stack[-1].build(state)
            case name:
                raise Refused(f"the pickle opcode {name}")
    raise Refused("a pickle without an end")


def _global(module: Any, name: Any) -> _Callable:
    if not isinstance(module, str) or (module, name) not in _CALLABLES:
        raise Refused(f"a call of {module}.{name}"[:120])
    return _Callable(_CALLABLES[module, name])


def _finish(value: Any, growth: _Growth, depth: int = 0) -> Any:
    """Takes the finished arrays out of their makers; what is shared is copied, so it counts."""
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
    """Reads what numpy pickles for an array of objects.

    Args:
        content: the pickle.
        limit: bytes that may be built while it is read.

    Returns:
        Dictionaries, lists, arrays and numbers.

    Raises:
        Refused: it asks for anything else. Damage may also raise almost any other Exception.
    """
    growth = _Growth(limit)
    return _finish(_run(content, growth), growth)
