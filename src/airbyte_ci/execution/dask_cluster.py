"""Runs jobs on a Dask cluster. Imports Dask only when it is used: `pip install airbyte-ci[dask]`.

https://distributed.dask.org/en/stable/client.html
"""

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from airbyte_ci.errors import AirbyteCiError, UsageError
from airbyte_ci.execution import remote_worker
from airbyte_ci.execution.remote_job import RemoteJob, RemoteResult

# Dask itself gives a job up that killed its worker more often than this.
_RETRIES = 2
_CONNECT_SECONDS = 15
# The name that Dask's documentation gives to the resource: https://distributed.dask.org/en/stable/resources.html
MEMORY = "MEMORY"
# How often to look whether a worker is left, while no job ends; at the second time without one, the run fails.
_LOOK_SECONDS = 60
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


def run(
    address: str, jobs: Sequence[RemoteJob], warn: Callable[[str], None], memory: int = 0
) -> Iterator[RemoteResult]:
    """Yields the result of each job when it is done. Closing the iterator cancels the jobs that have not begun.

    Workers with another version of airbyte-ci or Python, or with less than `memory` bytes as their resource MEMORY, get
    no jobs, with a warning. Dask runs no more jobs on a worker at a time than fit into its memory. A worker that dies
    costs only its job, which another worker repeats. Certificates for TLS are those of Dask's own configuration.
    """
    if not jobs:
        return
    with _connect(address) as client:
        workers = _Workers(client, jobs[0], memory)
        allowed = workers.fit(warn)
        # Unlike `as_completed`, a queue can be waited for with a limit.
        done: SimpleQueue[Any] = SimpleQueue()
        started = {
            client.submit(
                remote_worker.run,
                job.to_json(),
                key=f"airbyte-ci-{job.commit[:12]}-{number}-{job.subject}",
                pure=False,
                retries=_RETRIES,
                workers=allowed,
                resources={MEMORY: memory} if memory else None,
            ): job
            for number, job in enumerate(jobs)
        }
        try:
            for future in started:
                future.add_done_callback(done.put)
            for _ in started:
                future = _next(done, workers)
                yield _result(started[future], future)
        finally:
            client.cancel(list(started), force=True)


def _connect(address: str) -> Any:  # noqa: ANN401  # Dask's client
    place = parse_address(address)
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise UsageError(
            "--executor needs Dask, which is not installed", advice="pip install airbyte-ci[dask]"
        ) from error
    # Dask logs each failed attempt to connect with a traceback.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        security = distributed.Security() if place.startswith("tls") else None
        return distributed.Client(place, timeout=_CONNECT_SECONDS, security=security)
    except (OSError, TimeoutError, ValueError, RuntimeError, TypeError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0] or type(error).__name__
        raise AirbyteCiError(
            f"cannot connect to the Dask scheduler {address}: {reason}",
            advice="check the address, and for dask+tls:// the certificates in Dask's configuration",
        ) from error


class _Workers:
    """The workers of a cluster, and which of them may run a job."""

    def __init__(self, client: Any, job: RemoteJob, memory: int) -> None:  # noqa: ANN401  # Dask's
        self._client, self._job, self._memory = client, job, memory
        self._allowed: list[str] | None = None

    def fit(self, warn: Callable[[str], None]) -> list[str] | None:
        """Returns the workers that may run the jobs; None if all may, so that replaced workers get jobs too.

        Raises AirbyteCiError if none may.
        """
        found: dict[str, Any] = self._client.run(remote_worker.describe, on_error="return")
        if not found:
            raise AirbyteCiError(
                "the Dask cluster has no workers", advice="start some: dask worker ADDRESS --nthreads 1"
            )
        declared = self._memories()
        reasons = {}
        for worker, own in found.items():
            if not isinstance(own, dict):
                reasons[worker] = f"airbyte-ci is not installed there ({type(own).__name__})"
            elif reason := remote_worker.refusal(self._job, own) or self._lack(declared.get(worker, 0)):
                reasons[worker] = reason
        for worker, reason in sorted(reasons.items()):
            warn(f"worker {worker} gets no jobs: {reason}")
        if len(reasons) == len(found):
            raise AirbyteCiError(
                "no worker of the Dask cluster can run the jobs",
                advice="start workers with the same versions, and with --resources for --job-memory",
            )
        self._allowed = sorted(found.keys() - reasons.keys()) if reasons else None
        return self._allowed

    def is_any_left(self) -> bool:
        """Returns whether a job that has not begun could begin."""
        return any(
            (self._allowed is None or worker in self._allowed) and not self._lack(memory)
            for worker, memory in self._memories().items()
        )

    def _memories(self) -> dict[str, int]:
        """Returns the bytes that each worker declares; 0 without a declaration."""
        known = self._client.scheduler_info(n_workers=-1)["workers"]
        return {worker: int(facts.get("resources", {}).get(MEMORY, 0)) for worker, facts in known.items()}

    def _lack(self, memory: int) -> str:
        if memory >= self._memory:
            return ""
        if not memory:
            return f"it was started without --resources {MEMORY}=BYTES"
        return f"its resource {MEMORY} is {memory / 1e9:.1f} GB, and a job needs {self._memory / 1e9:.1f} GB"


def _next(done: "SimpleQueue[Any]", workers: _Workers) -> Any:  # noqa: ANN401  # Dask's future
    """Returns the next future that ended. Raises AirbyteCiError if no worker is left for the others."""
    was_any_left = True
    while True:
        try:
            return done.get(timeout=_LOOK_SECONDS)
        except Empty:
            is_any_left = workers.is_any_left()
            if not is_any_left and not was_any_left:
                raise AirbyteCiError(
                    "no worker of the Dask cluster is left that can run the jobs",
                    advice="start workers, and run the command again",
                ) from None
            was_any_left = is_any_left


def _result(job: RemoteJob, future: Any) -> RemoteResult:  # noqa: ANN401  # Dask's future
    if future.status != "finished":
        error = future.exception() if future.status == "error" else None
        reason = f"{type(error).__name__}: {error}" if error else f"the job was {future.status}"
        return RemoteResult(subject=job.subject, code=-1, error=reason.partition("\n")[0])
    answer = future.result()
    return RemoteResult(subject=job.subject, **answer)
