"""Base64 in documents: each value has exactly one spelling (RFC 4648, sections 3.3 and 3.5)."""

import base64
import binascii


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode(text: object) -> bytes:
    """Returns the bytes; raises ValueError for anything but the one spelling that `encode` returns.

    Lenient decoders ignore unused bits, so that two different texts would have one signature.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r:.40} is not base64")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{text!r:.40} is not base64") from error
    if encode(data) != text:
        raise ValueError(f"{text!r:.40} is not canonical base64")
    return data
