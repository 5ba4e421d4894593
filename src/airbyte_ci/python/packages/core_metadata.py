"""The core metadata of a distribution: a METADATA or PKG-INFO file as a value (packaging.python.org, core metadata)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.message import Message
from email.parser import HeaderParser
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMetadata:
    """Fields as they are written. `license_expression` is that of PEP 639; older files have `license` or classifiers.

    `requires` are PEP 508 texts, with extras as markers; `extras` are the declared ones.
    """

    name: str
    version: str
    license_expression: str = ""
    license: str = ""
    license_classifiers: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "CoreMetadata":
        """Parses the headers; missing fields are empty."""
        headers = HeaderParser().parsestr(text, headersonly=True)
        classifiers = (item for item in _all(headers, "Classifier") if item.startswith("License ::"))
        return cls(
            name=_one(headers, "Name"),
            version=_one(headers, "Version"),
            license_expression=_one(headers, "License-Expression"),
            license=_one(headers, "License"),
            license_classifiers=tuple(item.rpartition("::")[2].strip() for item in classifiers),
            requires=tuple(" ".join(item.split()) for item in _all(headers, "Requires-Dist")),
            extras=_all(headers, "Provides-Extra"),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "CoreMetadata":
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in document.items()
        }
        return cls(**fields)


def _one(headers: Message, name: str) -> str:
    value = headers[name]
    return "" if value is None else str(value).strip()


def _all(headers: Message, name: str) -> tuple[str, ...]:
    return tuple(str(item).strip() for item in headers.get_all(name) or ())
