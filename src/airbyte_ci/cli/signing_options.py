"""The options of commands that publish signed images: `--sign-key` and `--legacy-signatures`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import click

from airbyte_ci.attest.signing import attest, keys, legacy
from airbyte_ci.errors import UsageError
from airbyte_ci.publish.attachments import NOT_SIGNED, Signing

F = TypeVar("F", bound=Callable[..., Any])


def with_signing(function: F) -> F:
    """Adds the options to a command, which receives `sign_key` and `legacy_signatures`."""
    for option in (
        click.option("--legacy-signatures", is_flag=True, help="Also write the signature tags of cosign 2."),
        click.option(
            "--sign-key",
            metavar="FILE|env:NAME",
            help="Sign images and documents with this private key: ECDSA P-256 in PEM form, encrypted with a "
            "passphrase in AIRBYTE_CI_SIGN_PASSPHRASE or not.",
        ),
    ):
        function = option(function)
    return function


def read_signing(place: str | None, environment: Mapping[str, str], *, is_legacy: bool) -> Signing:
    """Returns how to sign; raises UsageError for cosign 2's tags without a key, and SignatureError."""
    if place is None:
        if is_legacy:
            raise UsageError("--legacy-signatures needs a key", advice="name it with --sign-key FILE")
        return NOT_SIGNED
    key = keys.read_signing_key(place, environment)
    return Signing(partial(attest.sign_documents, key), partial(legacy.write, key) if is_legacy else None)
