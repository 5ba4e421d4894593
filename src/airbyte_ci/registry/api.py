"""Requests to a registry's API: address, authorization, redirects and retries.

Knows the HTTP of registries, not manifests or blobs.
"""

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from airbyte_ci.errors import ImageError, RegistryError
from airbyte_ci.oci.reference import Reference
from airbyte_ci.records import dataclass
from airbyte_ci.registry.auth import Authorizer, Scopes
from airbyte_ci.registry.credentials import CredentialSource
from airbyte_ci.registry.endpoint import Endpoint, endpoints, may_be_plain
from airbyte_ci.registry.failures import Refused, Transient, Untrusted, refusal, safe_url
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.registry.retry import Retry
from airbyte_ci.registry.transport import Answer, RequestBody, Transport

T = TypeVar("T")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; `url` is a path of the API or an address that the registry sent (`Location`, `Link`)."""

    endpoint: Endpoint
    method: str
    url: str
    scopes: Scopes
    expected: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: RequestBody | bytes | None = None


def pull_scope(endpoint: Endpoint) -> str:
    return f"repository:{endpoint.repository}:pull"


def push_scope(endpoint: Endpoint) -> str:
    return f"repository:{endpoint.repository}:pull,push"


class Api:
    """Sends calls. Holds the connections, tokens and retry limits of one client."""

    def __init__(
        self,
        options: RegistryOptions,
        credentials: CredentialSource,
        *,
        sleep: Callable[[float], None],
        random: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.options = options
        self.retry = Retry(options.attempts, sleep, random)
        self._transport = Transport(timeout=options.timeout)
        self._auth = Authorizer(self._transport, credentials, clock=clock, may_be_plain=self._may_be_plain)
        self._locks: dict[str, threading.Lock] = {}
        self._schemes: dict[str, str] = {}

    def close(self) -> None:
        self._transport.close()

    def reporting(self, options: RegistryOptions) -> "Api":
        """Returns the same API, connections and tokens with the progress report of other options."""
        other = copy.copy(self)
        other.options = options
        return other

    def only_one(self, what: str) -> threading.Lock:
        """Returns a lock by name, for work that only one thread should do."""
        return self._locks.setdefault(what, threading.Lock())

    def send(self, call: Call) -> Answer:
        """Returns an expected answer after as many attempts as allowed; the caller closes it."""
        return self.retry.persist(lambda: self.once(call))

    def once(self, call: Call) -> Answer:
        """Returns an expected answer; raises Transient if a retry may help, otherwise Refused."""
        if self.options.offline:
            raise RegistryError(
                f"{call.endpoint.registry} is not used because --offline is set",
                advice="run once without --offline to download the missing data into the store",
                error_id="not-cached",
            )
        answer = self._reached(call)
        if answer.status in call.expected:
            return answer
        with answer:
            raise self._refusal(call, answer)

    def _reached(self, call: Call) -> Answer:
        """Returns the answer of a host that supports plain HTTP or TLS, over the one that it supports."""
        host = call.endpoint.host
        try:
            answer = self._followed(call, self.address(call.endpoint, call.url))
        except Transient:
            if not self._turns_out_tls(call):
                raise
        else:
            # Servers answer plain HTTP on a TLS port with 400 and a text, which HEAD does not have.
            if answer.status != 400 or not self._turns_out_tls(call):
                self._schemes.setdefault(host, self._scheme(call.endpoint))
                return answer
            answer.close()
        return self._followed(call, self.address(call.endpoint, call.url))

    def _turns_out_tls(self, call: Call) -> bool:
        """Returns whether a host that was assumed to use plain HTTP answers over TLS; tried once per host."""
        host = call.endpoint.host
        if host in self._schemes or not self._may_be_plain(host):
            return False
        self._schemes[host] = "http"
        url, registry = f"https://{host}/v2/", call.endpoint.registry
        try:
            self._transport.exchange("GET", url, {}, None, registry=registry).close()
        except Untrusted:
            raise
        except RegistryError:
            return False
        self._schemes[host] = "https"
        return True

    def first(self, reference: Reference, action: Callable[[Endpoint], T]) -> T:
        """Returns the action's result at the first endpoint where it succeeds: a mirror, else the registry."""
        *mirrors, registry = endpoints(reference, self.options)
        failures: list[str] = []
        for mirror in mirrors:
            try:
                return action(mirror)
            except (RegistryError, ImageError) as error:
                failures.append(error.message)
        try:
            return action(registry)
        except (RegistryError, ImageError) as error:
            if failures:
                error.advice = f"{error.advice or 'check the mirrors'} (mirrors: {'; '.join(failures)})"
            raise

    def address(self, endpoint: Endpoint, location: str, current: str | None = None) -> str:
        """Returns `location` resolved against the current address, if the client may send requests to it."""
        base = current or f"{self._scheme(endpoint)}://{endpoint.host}/"
        try:
            url = urljoin(base, location)
            here, there = urlsplit(base), urlsplit(url)
            if here.scheme == "https" and there.scheme == "http" and here.netloc == there.hostname:
                # A registry behind a TLS proxy that it does not know of: the request must use TLS.
                url = there._replace(scheme="https").geturl()
                there = urlsplit(url)
            plain = there.scheme == "http" and self._may_be_plain(there.netloc)
            if there.hostname and (there.scheme == "https" or plain):
                return there._replace(fragment="").geturl()
        except ValueError:
            pass
        raise RegistryError(
            f"{endpoint.registry} redirects to {safe_url(location)}, which does not use TLS",
            advice="add the host to insecure-registries in the configuration, if it has no TLS",
            error_id="registry-without-tls",
        )

    def _may_be_plain(self, host: str) -> bool:
        return may_be_plain(host, self.options)

    def _scheme(self, endpoint: Endpoint) -> str:
        known = self._schemes.get(endpoint.host)
        return known or ("http" if self._may_be_plain(endpoint.host) else "https")

    def _followed(self, call: Call, url: str) -> Answer:
        """Returns the answer after redirects. Only the registry itself receives the authorization."""
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._authorized(call, url)
            location = answer.headers.get("Location", "")
            if answer.status not in _REDIRECTS or not location:
                return answer
            answer.close()
            following = self.address(call.endpoint, location, url)
            if call.method not in ("GET", "HEAD") and not _may_resend(answer.status, url, following):
                raise RegistryError(
                    f"{call.endpoint.registry} redirects a {call.method} request to another host, {safe_url(following)}"
                )
            url = following
        raise RegistryError(f"{call.endpoint.registry} sent more than {_MOST_REDIRECTS} redirects")

    def _authorized(self, call: Call, url: str) -> Answer:
        if not self._is_own(call.endpoint, url):
            return self._exchange(call, url, None)
        header = self._auth.header(call.endpoint, call.scopes)
        answer = self._exchange(call, url, header)
        if answer.status != 401:
            return answer
        try:
            renewed = self._auth.renewed(
                call.endpoint, call.scopes, answer.headers.get("WWW-Authenticate", ""), refused=header
            )
        except BaseException:
            answer.close()
            raise
        if renewed is None:
            return answer
        answer.close()
        return self._exchange(call, url, renewed)

    def _is_own(self, endpoint: Endpoint, url: str) -> bool:
        parts = urlsplit(url)
        return parts.netloc == endpoint.host and parts.scheme == self._scheme(endpoint)

    def _exchange(self, call: Call, url: str, authorization: str | None) -> Answer:
        headers = {**call.headers, "Authorization": authorization} if authorization else call.headers
        return self._transport.exchange(call.method, url, headers, call.body, registry=call.endpoint.registry)

    def _refusal(self, call: Call, answer: Answer) -> Refused:
        error = refusal(call.endpoint.registry, answer.status, answer.headers, answer.peek())
        if error.status in (401, 403) and (notes := self._auth.notes(call.endpoint)):
            error.advice = f"{error.advice} ({'; '.join(notes)})"
        return error


def _may_resend(status: int, url: str, following: str) -> bool:
    """Returns whether a redirect stays on the registry's host, so that the body may be sent again."""
    return status in (307, 308) and urlsplit(url).hostname == urlsplit(following).hostname
