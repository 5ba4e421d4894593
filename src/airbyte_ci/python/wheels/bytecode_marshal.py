"""Marshal's format, version 4, as Python 3.9 and 3.10 write code objects, but with sets in a fixed order.

Runs inside an image. Supports the constants of code objects, and the code objects of these two versions only.
"""

import struct
import sys

_REFERABLE = 0x80
_SINGLETONS = {None: b"N", True: b"T", False: b"F", ...: b"."}
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_CODE_NUMBERS = ("argcount", "posonlyargcount", "kwonlyargcount", "nlocals", "stacksize", "flags")
_CODE_OBJECTS = ("code", "consts", "names", "varnames", "freevars", "cellvars", "filename", "name")
_LINES = "co_lnotab" if sys.version_info < (3, 10) else "co_linetable"


def dumps(value: object) -> bytes:
    """Returns the canonical bytes of the value; raises ValueError for values that code objects cannot hold."""
    target = bytearray()
    _write(value, target, {})
    return bytes(target)


def _write(value: object, target: bytearray, known: "dict[int, int]") -> None:
    """Writes objects; `known` maps an object's identity to its position in marshal's numbering for references."""
    if value is None or value is True or value is False or value is ...:
        target += _SINGLETONS[value]
    elif id(value) in known:
        target += b"r" + struct.pack("<I", known[id(value)])
    else:
        known[id(value)] = len(known)
        start = len(target)
        _write_body(value, target, known)
        target[start] |= _REFERABLE


def _write_body(value: object, target: bytearray, known: "dict[int, int]") -> None:
    if isinstance(value, str):
        target += _text(value)
    elif isinstance(value, bytes):
        target += b"s" + struct.pack("<I", len(value)) + value
    elif isinstance(value, int):
        target += _integer(value)
    elif isinstance(value, float):
        target += b"g" + struct.pack("<d", value)
    elif isinstance(value, complex):
        target += b"y" + struct.pack("<dd", value.real, value.imag)
    elif isinstance(value, tuple):
        count = len(value)
        target += bytes((ord(")"), count)) if count < 256 else b"(" + struct.pack("<I", count)
        for item in value:
            _write(item, target, known)
    elif isinstance(value, frozenset):
        target += b">" + struct.pack("<I", len(value))
        for item in sorted(value, key=dumps):
            _write(item, target, known)
    elif type(value) is type(dumps.__code__):
        _write_code(value, target, known)
    else:
        raise ValueError(f"a {type(value).__name__} is not a constant")


def _write_code(code: object, target: bytearray, known: "dict[int, int]") -> None:
    target += b"c"
    for name in _CODE_NUMBERS:
        target += struct.pack("<i", getattr(code, "co_" + name))
    for name in _CODE_OBJECTS:
        _write(getattr(code, "co_" + name), target, known)
    target += struct.pack("<i", code.co_firstlineno)  # type: ignore[attr-defined]
    _write(getattr(code, _LINES), target, known)


def _text(value: str) -> bytes:
    """Interns names and name-like constants when they are loaded, as the compiler does."""
    interned = _NAME.issuperset(value)
    if value.isascii():
        raw = value.encode()
        if len(raw) < 256:
            return (b"Z" if interned else b"z") + bytes((len(raw),)) + raw
        return (b"A" if interned else b"a") + struct.pack("<I", len(raw)) + raw
    raw = value.encode("utf-8", "surrogatepass")
    return b"u" + struct.pack("<I", len(raw)) + raw


def _integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"i" + struct.pack("<i", value)
    rest, digits = abs(value), []
    while rest:
        digits.append(rest & 0x7FFF)
        rest >>= 15
    count = len(digits) if value > 0 else -len(digits)
    return b"l" + struct.pack(f"<i{len(digits)}H", count, *digits)
