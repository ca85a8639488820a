"""Lists, tuples, byte strings and booleans out of a pickle, read opcode by opcode; nothing in it is ever run.

A pickle is a program that may call anything. Here its instructions move plain values about, and the few names that
plain byte strings and arrays of bytes are written with are recognised by what they are called. Every other name and
instruction is refused. The instructions are described in the standard library's `pickletools`.
"""

from __future__ import annotations

import math
import pickletools
import struct
from dataclasses import dataclass
from typing import cast

from evaluation.datasets.images import DatasetError

_ENCODE = "_codecs encode"
_NDARRAY, _DTYPE = "numpy ndarray", "numpy dtype"
_BYTEARRAYS = ("__builtin__ bytearray", "builtins bytearray")
_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_SCALAR = ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar")
_FROM_BUFFER = ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer")
_KNOWN = frozenset({_ENCODE, _NDARRAY, _DTYPE, *_BYTEARRAYS, *_RECONSTRUCT, *_SCALAR, *_FROM_BUFFER})

_WORTHLESS = frozenset({"PROTO", "FRAME"})
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"})
_BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"})
_PYTHON_2_STRINGS = frozenset({"BINSTRING", "SHORT_BINSTRING"})
_TEXT = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
_PUT = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GET = frozenset({"GET", "BINGET", "LONG_BINGET"})
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class PlainArray:
    """A numpy array of bytes or of booleans as it was stored. code: "u1" or "b1". data: in the order of `shape`."""

    code: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class _Name:
    name: str


@dataclass(frozen=True)
class _Code:
    code: str


class _Mark:
    pass


_MARK = _Mark()


def read_plain(data: bytes, source: str) -> object:
    """The value of a pickle of protocol 0 to 5 (Python 2 byte strings are bytes): lists, tuples, bytes, bool, int,
    str and PlainArray, nested in any way.

    DatasetError, naming what was found and at which byte, for anything else, and where the pickle is damaged.
    """
    machine = _Machine(source)
    at = 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            at = position or 0
            if opcode.name != "STOP":
                machine.step(opcode.name, argument, at)
    except DatasetError:
        raise
    except (ValueError, OverflowError, struct.error) as error:
        raise DatasetError(f"{source} is no whole pickle, after byte {at}: {error}") from error
    if at + 1 != len(data):
        raise DatasetError(f"{source} has {len(data) - at - 1} bytes after the end of its pickle")
    return machine.result()


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._stack: list[object] = []
        self._memo: dict[int, object] = {}
        self._at = 0

    def result(self) -> object:
        if len(self._stack) != 1:
            raise DatasetError(f"{self._source}: its pickle leaves {len(self._stack)} values in place of one")
        return self._pop()

    def step(self, name: str, argument: object, at: int) -> None:
        self._at = at
        if name in _WORTHLESS:
            return
        if name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _NUMBERS or name in _TEXT:
            self._stack.append(argument)
        elif name in _BYTES:
            self._stack.append(bytes(cast(bytes, argument)))
        elif name in _PYTHON_2_STRINGS:
            self._stack.append(cast(str, argument).encode("latin-1"))
        elif name == "MARK":
            self._stack.append(_MARK)
        elif name in _PUT:
            self._memo[cast(int, argument)] = self._top()
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._top()
        elif name in _GET:
            self._get(cast(int, argument))
        else:
            self._build_up(name, argument)

    def _build_up(self, name: str, argument: object) -> None:
        if name == "EMPTY_LIST":
            self._stack.append([])
        elif name == "LIST":
            self._stack.append(self._pop_to_mark())
        elif name == "APPEND":
            value = self._pop()
            self._list().append(value)
        elif name == "APPENDS":
            values = self._pop_to_mark()
            self._list().extend(values)
        elif name == "TUPLE":
            self._stack.append(tuple(self._pop_to_mark()))
        elif name in _TUPLES:
            self._stack.append(tuple([self._pop() for _ in range(_TUPLES[name])][::-1]))
        elif name == "GLOBAL":
            self._name(cast(str, argument))
        elif name == "STACK_GLOBAL":
            attribute, module = self._pop(), self._pop()
            if not isinstance(module, str) or not isinstance(attribute, str):
                raise self._refused("a name that is no text")
            self._name(f"{module} {attribute}")
        elif name == "REDUCE":
            arguments, called = self._pop(), self._pop()
            self._stack.append(self._called(called, arguments))
        elif name == "BUILD":
            state = self._pop()
            self._set(self._top(), state)
        else:
            raise self._refused(f"the instruction {name}")

    def _name(self, name: str) -> None:
        if name not in _KNOWN:
            raise self._refused(f"the name {name.replace(' ', '.')[:80]}")
        self._stack.append(_Name(name))

    def _called(self, called: object, arguments: object) -> object:
        name = called.name if isinstance(called, _Name) else ""
        match name, arguments:
            case "_codecs encode", (str() as text, "latin1" | "latin-1"):
                return text.encode("latin-1")
            case (("__builtin__ bytearray" | "builtins bytearray"), (bytes() as content,)):
                return content
            case (("__builtin__ bytearray" | "builtins bytearray"), (str() as text, "latin-1" | b"latin-1")):
                return text.encode("latin-1")
            case "numpy dtype", ("u1" | b"u1", 0, 1):
                return _Code("u1")
            case "numpy dtype", ("b1" | b"b1", 0, 1):
                return _Code("b1")
        if name in _RECONSTRUCT and arguments == (_Name(_NDARRAY), (0,), b"b"):
            return PlainArray("", (), b"")
        if name in _SCALAR:
            match arguments:
                case (_Code("b1"), (b"\0" | b"\1") as byte):
                    return byte == b"\1"
        if name in _FROM_BUFFER:
            match arguments:
                case (bytes() as content, _Code() as code, tuple() as shape, "C" | "F"):
                    return self._filled(PlainArray("", (), b""), code.code, shape, content)
        what = name.replace(" ", ".") or f"a {type(called).__name__}"
        raise self._refused(f"a call of {what} with other values than a byte string or plain array has")

    def _set(self, subject: object, state: object) -> None:
        match subject, state:
            case _Code(), (3, "|" | b"|", None, None, None, -1, -1, 0):
                return
            case PlainArray(""), (1, tuple() as shape, _Code() as code, 0 | 1, bytes() as content):
                self._filled(subject, code.code, shape, content)
                return
        raise self._refused(f"a state for a {type(subject).__name__.lstrip('_')} that is not the plain one")

    def _filled(self, array: PlainArray, code: str, shape: tuple[object, ...], content: bytes) -> PlainArray:
        lengths = tuple(length for length in shape if isinstance(length, int) and length >= 0)
        if len(lengths) != len(shape) or math.prod(lengths) != len(content):
            raise self._refused(
                f"an array of {len(shape)} dimensions that its {len(content)} bytes do not fill"
            )
        array.code, array.shape, array.data = code, lengths, content
        return array

    def _get(self, key: int) -> None:
        if key not in self._memo:
            raise self._refused(f"a reference to value {key}, which there is not")
        self._stack.append(self._memo[key])

    def _top(self) -> object:
        if not self._stack or self._stack[-1] is _MARK:
            raise self._refused("an instruction that lacks its value")
        return self._stack[-1]

    def _pop(self) -> object:
        value = self._top()
        self._stack.pop()
        return value

    def _pop_to_mark(self) -> list[object]:
        values: list[object] = []
        while self._stack and self._stack[-1] is not _MARK:
            values.append(self._stack.pop())
        if not self._stack:
            raise self._refused("an instruction that lacks its values")
        self._stack.pop()
        return values[::-1]

    def _list(self) -> list[object]:
        value = self._top()
        if not isinstance(value, list):
            raise self._refused(f"an item for a {type(value).__name__}")
        return value

    def _refused(self, what: str) -> DatasetError:
        return DatasetError(
            f"{self._source} holds {what}, at byte {self._at}; only lists, tuples, byte strings, plain arrays of "
            "bytes and booleans are read, and nothing of it was run"
        )
