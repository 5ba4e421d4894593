"""Uploads a package's files to a Python package index with the legacy API, which all indexes share.

https://docs.pypi.org/api/upload/. A version's file is never replaced: one with the same content is skipped, another
content is refused.
"""

import email
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from airbyte_ci.errors import PackageError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.publish.python_package import PythonPackage
from airbyte_ci.python.packages.lock import LockedFile
from airbyte_ci.registry.failures import one_line, safe_url

PUBLIC = "https://upload.pypi.org/legacy/"
# The variables of the login, the first that is set: a token as in the original airbyte-ci, or those of twine.
TOKEN = "PYTHON_REGISTRY_TOKEN"
_USER, _PASSWORD = "TWINE_USERNAME", "TWINE_PASSWORD"
_TOKEN_USER = "__token__"
_TIMEOUT = 120
# Headers of METADATA whose field of the form has another name; others are in lower case, with `_`.
_FIELDS = {"classifier": "classifiers", "project_url": "project_urls", "license_file": "license_files"}


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """An index: the address for uploads, that of its simple API, and the login."""

    url: str
    simple: str
    login: tuple[str, str] | None = field(repr=False)

    @classmethod
    def of(cls, url: str, environment: Mapping[str, str]) -> "UploadTarget":
        """Returns the index at an address of its upload API, with the login of the environment."""
        token, user, password = (environment.get(name, "") for name in (TOKEN, _USER, _PASSWORD))
        login = (_TOKEN_USER, token) if token else (user or _TOKEN_USER, password) if password else None
        host = urlsplit(url)
        if host.hostname in ("upload.pypi.org", "test.pypi.org"):
            return cls(url, f"https://{host.hostname.removeprefix('upload.')}/simple/", login)
        return cls(url, f"{url.rstrip('/').removesuffix('/legacy')}/simple/", login)

    @property
    def shown(self) -> str:
        """Returns the address without a login."""
        return safe_url(self.url)

    def redact(self, text: str) -> str:
        """Returns an index's words without the login, which it may repeat."""
        for secret in (self.login[1] if self.login else "", urlsplit(self.url).password):
            text = text.replace(secret, "***") if secret else text
        return text

    def login_for(self, url: str) -> tuple[str, str] | None:
        """Returns the login for an address, which only the index's own host receives."""
        return self.login if urlsplit(url).netloc == urlsplit(self.url).netloc else None


def upload(package: PythonPackage, target: UploadTarget, store: Store) -> dict[str, bool]:
    """Uploads the files that the index lacks; returns whether each file was new. Raises PackageError."""
    known = _known(target, package.name)
    found: dict[str, bool] = {}
    for file in (package.wheel, package.sdist):
        found[file.name] = file.name not in known
        if file.name in known:
            _confirm(file, known[file.name], target)
        else:
            _send(target, package, file, store)
    return found


def _known(target: UploadTarget, name: str) -> Mapping[str, tuple[str, str]]:
    """Returns the index's files of a project: the address and the sha256, empty if it names none, by file name."""
    from pypi_simple import (  # slow to import
        ACCEPT_ANY,
        NoSuchProjectError,
        PyPISimple,
        UnsupportedContentTypeError,
        UnsupportedRepoVersionError,
    )
    from requests import RequestException

    try:
        with PyPISimple(target.simple, auth=target.login_for(target.simple), accept=ACCEPT_ANY) as client:
            page = client.get_project_page(name, timeout=_TIMEOUT)
    except NoSuchProjectError:
        return {}
    except (RequestException, UnsupportedContentTypeError, UnsupportedRepoVersionError, ValueError) as error:
        raise _failed(target, f"cannot read the list of {name}", error) from None
    return {item.filename: (item.url, item.digests.get("sha256", "")) for item in page.packages}


def _confirm(file: LockedFile, known: tuple[str, str], target: UploadTarget) -> None:
    """Raises PackageError if the index has other content under the file's name."""
    url, sha256 = known
    if not sha256:
        import requests

        try:
            answer = requests.get(url, auth=target.login_for(url), timeout=_TIMEOUT)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise _failed(target, f"cannot compare {file.name}", error) from None
        sha256 = hashlib.sha256(answer.content).hexdigest()
    if sha256 != file.sha256:
        raise PackageError(
            f"{file.name} is already published at {target.shown} with other content "
            f"(there: sha256:{sha256[:12]}, here: sha256:{file.sha256[:12]})",
            advice="increase the version with bump_version; published versions are never overwritten",
            error_id="tag-exists",
        )


def _send(target: UploadTarget, package: PythonPackage, file: LockedFile, store: Store) -> None:
    import requests

    content = store.read(Digest(file.sha256))
    form = _form(package, file, content)
    files = {"content": (file.name, content, "application/octet-stream")}
    try:
        answer = requests.post(
            target.url, data=form, files=files, auth=target.login, timeout=_TIMEOUT, allow_redirects=False
        )
    except requests.RequestException as error:
        raise _failed(target, f"cannot upload {file.name}", error) from None
    if answer.status_code in (200, 201):
        return
    told = target.redact(one_line(answer.reason or ""))
    login = "" if target.login else f"; set {TOKEN}"
    raise PackageError(
        f"cannot upload {file.name} to {target.shown}: it answered {answer.status_code} {told}".rstrip(),
        advice=f"check the login and the name of the package{login}" if answer.status_code in (401, 403) else None,
    )


def _form(package: PythonPackage, file: LockedFile, content: bytes) -> list[tuple[str, str]]:
    """Returns the fields of the upload: those of the API, and the package's metadata."""
    is_wheel = file.name.endswith(".whl")
    fields = [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("filetype", "bdist_wheel" if is_wheel else "sdist"),
        ("pyversion", file.name.removesuffix(".whl").split("-")[-3] if is_wheel else "source"),
        ("sha256_digest", file.sha256),
        ("blake2_256_digest", hashlib.blake2b(content, digest_size=32).hexdigest()),
    ]
    message = email.message_from_bytes(package.metadata)
    for header, value in message.items():
        name = header.lower().replace("-", "_")
        fields.append((_FIELDS.get(name, name), str(value)))
    if description := message.get_payload(decode=True):
        fields.append(("description", _text(description)))
    return fields


def _text(payload: Any) -> str:  # noqa: ANN401  # the email package's payloads
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(payload)


def _failed(target: UploadTarget, doing: str, error: Exception) -> PackageError:
    """Returns the error without the library's text, which may contain an address with a login."""
    response = getattr(error, "response", None)
    told = f"it answered {response.status_code}" if response is not None else type(error).__name__
    return PackageError(f"{doing} at {target.shown}: {told}", advice="check the address, and try again later")
