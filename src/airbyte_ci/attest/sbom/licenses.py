"""Licenses from metadata: SPDX expressions (PEP 639, Alpine), Debian's copyright files, other texts.

No text is guessed to mean a license: only a field that must have an expression is read as one.
"""

import re
from collections.abc import Sequence

from airbyte_ci.attest.sbom.found_package import NO_LICENSE, LicenseText
from airbyte_ci.python.packages.core_metadata import CoreMetadata

# Some projects have the whole text in this field; a name is shorter.
_LONGEST_NAME = 200
_MOST_NAMES = 40
_DEP5_LICENSE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)
_COMMON = re.compile(r"/usr/share/common-licenses/([0-9A-Za-z][0-9A-Za-z.+_-]*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def of_expression(text: str) -> LicenseText:
    """Returns a valid SPDX expression in its normal form; any other text as a name."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return LicenseText(str(canonicalize_license_expression(text)))
    except InvalidLicenseExpression:
        return of_names([text])


def of_core_metadata(metadata: CoreMetadata) -> LicenseText:
    """Returns the license of a Python distribution: the expression, else the text, else the classifiers."""
    if metadata.license_expression:
        return of_expression(metadata.license_expression)
    text = metadata.license
    is_name = text and "\n" not in text and len(text) <= _LONGEST_NAME and text.upper() != "UNKNOWN"
    if is_name:
        return of_names([text])
    if metadata.license_classifiers:
        return of_names(metadata.license_classifiers)
    return of_names([text.partition("\n")[0]]) if text and text.upper() != "UNKNOWN" else NO_LICENSE


def of_names(names: Sequence[str]) -> LicenseText:
    """Returns texts that are no expression, each once, in their order."""
    cleaned = (_CONTROL.sub(" ", name).strip()[:_LONGEST_NAME] for name in names)
    found = tuple(dict.fromkeys(name for name in cleaned if name))[:_MOST_NAMES]
    return LicenseText(names=found) if found else NO_LICENSE


def of_debian_copyright(text: str) -> LicenseText:
    """Returns the short names of a machine-readable copyright file (DEP 5), else the common licenses that it names."""
    if re.match(r"\s*Format(?:-Specification)?:", text, re.IGNORECASE):
        return of_names(sorted({name.strip() for name in _DEP5_LICENSE.findall(text)}))
    return of_names(sorted({name.rstrip(".") for name in _COMMON.findall(text)}))
