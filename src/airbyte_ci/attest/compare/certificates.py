"""The certificates that an image trusts, by fingerprint."""

import base64
import binascii
import hashlib
import re

from airbyte_ci.rootfs.tree import Tree

# Debian and Alpine, Red Hat and Amazon, SUSE.
_BUNDLES = (
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "var/lib/ca-certificates/ca-bundle.pem",
    "etc/ssl/cert.pem",
)
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----")


def certificates(tree: Tree) -> dict[str, str]:
    """Returns the certificates of the system's bundles: `sha256:…` → the subject's common name, if it can be read."""
    found: dict[str, str] = {}
    for path in _BUNDLES:
        for block in _PEM.findall(tree.read(path) or b""):
            try:
                certificate = base64.b64decode(b"".join(block.split()), validate=True)
            except binascii.Error:
                continue
            found[f"sha256:{hashlib.sha256(certificate).hexdigest()[:16]}"] = _name(certificate) or "trusted"
    return found


def _name(certificate: bytes) -> str:
    """Returns the last common name in the certificate, which is the subject's: the issuer comes first (RFC 5280).

    Reads the attribute's bytes directly: the name is only shown, and parsing 140 certificates would take longer.
    """
    place = certificate.rfind(b"\x06\x03\x55\x04\x03")
    if place < 0 or place + 7 > len(certificate):
        return ""
    length = certificate[place + 6]
    return certificate[place + 7 : place + 7 + length].decode("utf-8", "replace") if length < 0x80 else ""
