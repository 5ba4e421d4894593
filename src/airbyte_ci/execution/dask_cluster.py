"""Runs jobs on a Dask cluster. Imports Dask only when it is used: `pip install airbyte-ci[dask]`.

https://distributed.dask.org/en/stable/client.html
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.execution import remote_worker
from airbyte_ci.execution.remote_job import RemoteJob, RemoteResult

# Dask itself gives a job up that killed its worker more often than this.
_RETRIES = 2
_CONNECT_SECONDS = 15
_SCHEMES = {"dask": "tcp", "dask+tls": "tls"}


def parse_address(text: str) -> str:
    """Returns Dask's address of `dask://host:port` or `dask+tls://host:port`; raises UsageError."""
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in _SCHEMES and parts.hostname and parts.port and not parts.username
    except ValueError:
        is_valid = False
    if not is_valid or parts.path.strip("/"):
        raise UsageError(
            f"--executor {text!r} is not the address of a cluster",
            advice="use dask://HOST:PORT or dask+tls://HOST:PORT",
        )
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}"


def run(address: str, jobs: Sequence[RemoteJob], warn: Callable[[str], None]) -> Iterator[RemoteResult]:
    """Yields the result of each job when it is done. Closing the iterator cancels the jobs that have not begun.

    Workers with another version of airbyte-ci or Python get no jobs, with a warning. A worker that dies costs only its
    job, which another worker repeats. Certificates for TLS are those of Dask's own configuration.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise UsageError(
            "--executor needs Dask, which is not installed", advice="pip install airbyte-ci[dask]"
        ) from error
    place = parse_address(address)
    try:
        security = distributed.Security() if place.startswith("tls") else None
        client = distributed.Client(place, timeout=_CONNECT_SECONDS, security=security)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise AirbyteCiError(f"cannot connect to the Dask scheduler {address}: {reason}") from error
    with client:
        allowed = _fit_workers(client, jobs[0], warn) if jobs else None
        started = {
            client.submit(
                remote_worker.run,
                job.to_json(),
                key=f"airbyte-ci-{job.commit[:12]}-{number}-{job.subject}",
                pure=False,
                retries=_RETRIES,
                workers=allowed,
            ): job
            for number, job in enumerate(jobs)
        }
        try:
            for future in distributed.as_completed(list(started), raise_errors=False):
                yield _result(started[future], future)
        finally:
            client.cancel(list(started), force=True)


def _fit_workers(client: Any, job: RemoteJob, warn: Callable[[str], None]) -> list[str] | None:  # noqa: ANN401  # Dask's
    """Returns the workers that may run the jobs; None if all may, so that replaced workers get jobs too."""
    found: dict[str, Any] = client.run(remote_worker.describe, on_error="return")
    if not found:
        raise AirbyteCiError("the Dask cluster has no workers", advice="start some: dask worker ADDRESS --nthreads 1")
    reasons = {}
    for worker, own in found.items():
        if not isinstance(own, dict):
            reasons[worker] = f"airbyte-ci is not installed there ({type(own).__name__})"
        elif reason := remote_worker.refusal(job, own):
            reasons[worker] = reason
    for worker, reason in sorted(reasons.items()):
        warn(f"worker {worker} gets no jobs: {reason}")
    if len(reasons) == len(found):
        raise AirbyteCiError("no worker of the Dask cluster can run the jobs", advice="install the same version there")
    return sorted(found.keys() - reasons.keys()) if reasons else None


def _result(job: RemoteJob, future: Any) -> RemoteResult:  # noqa: ANN401  # Dask's future
    if future.status != "finished":
        error = future.exception() if future.status == "error" else None
        reason = f"{type(error).__name__}: {error}" if error else f"the job was {future.status}"
        return RemoteResult(subject=job.subject, code=-1, error=reason.partition("\n")[0])
    answer = future.result()
    return RemoteResult(subject=job.subject, **answer)
