"""SHA-256 of small data, without loading OpenSSL: that takes longer than hashing all that an unchanged build hashes."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha256 as _sha256
else:
    # Python's own implementation, which `hashlib` falls back to: its module has another name since 3.12.
    try:
        from _sha2 import sha256 as _sha256
    except ImportError:
        try:
            from _sha256 import sha256 as _sha256
        except ImportError:
            from hashlib import sha256 as _sha256

# OpenSSL hashes several times as fast: for this many bytes, loading it pays.
_LARGE = 1 << 19


def sha256(data: bytes) -> str:
    """Returns the SHA-256 of the data as hex digits. What grows piece by piece is for `hashlib`."""
    if len(data) < _LARGE and "hashlib" not in sys.modules:
        return _sha256(data).hexdigest()
    import hashlib

    return hashlib.sha256(data).hexdigest()
