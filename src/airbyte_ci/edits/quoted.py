"""Double-quoted strings that YAML 1.1, YAML 1.2 and TOML all parse to the same value."""

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def double_quoted(value: str) -> str:
    """Returns the value in double quotes on one line, with escapes for unprintable characters."""
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    # Neither plain \x nor surrogate pairs: TOML 1.0 lacks the former, YAML the latter.
    return char if char.isprintable() else f"\\u{ord(char):04x}" if char < "\U00010000" else f"\\U{ord(char):08x}"
