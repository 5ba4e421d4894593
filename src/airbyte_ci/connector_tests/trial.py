"""One connector's test from end to end: the build, then each step in its image, in parallel if possible.

Knows the order and the dependencies of the steps, not how they are recorded and shown.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from airbyte_ci.connector_tests import development, protocol, suites
from airbyte_ci.connector_tests import secrets as secrecy
from airbyte_ci.connector_tests.development import Development
from airbyte_ci.connector_tests.place import StepSandbox
from airbyte_ci.connector_tests.read_inputs import CATALOG, own_catalog
from airbyte_ci.connector_tests.secrets import Secrets
from airbyte_ci.connector_tests.steps import IDS, INTERRUPTED, WAVES, Ended, StepId, TrialResult, failed, skipped
from airbyte_ci.connectors.connector import JAVA, Connector
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.images import job
from airbyte_ci.images.order import Order
from airbyte_ci.oci.digest import Digest
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.recipe import execute
from airbyte_ci.recipe.evaluate import prepare
from airbyte_ci.sandbox.sandbox import Mount, Network

_SOURCE_ONLY: tuple[StepId, ...] = ("discover", "read")


class Together(Protocol):
    """Processes items in parallel, with a limit, and yields each with its result."""

    def __call__(
        self, items: Sequence[StepId], work: Callable[[StepId], Ended], width: int
    ) -> Iterator[tuple[StepId, Ended]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOptions:
    """The options of a test. `network` is for steps that may use it; `timeout` (seconds) is each step's.

    `catalog` and `state` are for `read`; without a catalog, the connector's own in `integration_tests` is used, or all
    discovered streams. `mounts` are folders of this machine that its steps see. No step begins while `is_ending`;
    `interrupted` receives the results of an unfinished test.
    """

    wanted: frozenset[StepId]
    secrets: Secrets
    fail_fast: bool = False
    network: Network = "private"
    catalog: bytes | None = None
    state: bytes | None = None
    mounts: tuple[Mount, ...] = ()
    timeout: float = 600
    width: int = 4
    is_ending: Callable[[], bool] = lambda: False
    interrupted: Callable[[TrialResult], None] = lambda _: None


def run(connector: Connector, order: Order, tools: Tools, request: TrialOptions, together: Together) -> TrialResult:
    """Returns the steps except `rules`, which do not use the connector's image. Errors are results of their step."""
    trial = _Trial(connector=connector, order=order, tools=tools, request=request)
    try:
        for wave in WAVES[:-1]:
            steps = [step for step in wave if step in request.wanted]
            for step, ended in together(steps, trial.step, request.width):
                trial.ended[step] = ended
    except KeyboardInterrupt:
        request.interrupted(_result(connector, trial))
        raise
    return _result(connector, trial)


def _result(connector: Connector, trial: "_Trial") -> TrialResult:
    steps = tuple(trial.ended[step] for step in IDS if step in trial.ended)
    return TrialResult(connector.name, connector.relative, steps, trial.image, trial.folders)


@dataclass(slots=True, kw_only=True)
class _Trial:
    """A running test; `plan` and `image` are digests, once the image is built."""

    connector: Connector
    order: Order
    tools: Tools
    request: TrialOptions
    ended: dict[StepId, Ended] = field(default_factory=dict)
    _plan: str = ""
    _image: str = ""
    _folders: tuple[str, ...] = ()
    _bare: StepSandbox | None = None
    _with_tests: tuple[Development, StepSandbox] | None = None
    _lock: Any = field(default_factory=threading.Lock)
    _stopped: bool = False

    @property
    def image(self) -> str:
        """Returns the digest of the image, once it is built."""
        return self._image

    @property
    def folders(self) -> tuple[str, ...]:
        """Returns the folders that the build read in addition to the connector's own."""
        return self._folders

    def step(self, step: StepId) -> Ended:
        started = time.monotonic()
        ended = self._blocked(step)
        if ended is None:
            self.tools.say(step)
            try:
                ended = self._run(step)
            except AirbyteCiError as error:
                redact = self.request.secrets.redact
                details = tuple(map(redact, error.details))
                ended = failed(step, redact(error.message), redact(error.advice or ""), details)
                ended = replace(ended, error_id=error.error_id)
            except KeyboardInterrupt as stop:
                lines = tuple(map(self.request.secrets.redact, getattr(stop, "__notes__", ())))
                spent = time.monotonic() - started
                self.ended[step] = replace(skipped(step, INTERRUPTED), details=lines, seconds=spent)
                raise
        if ended.status == "failed" and self.request.fail_fast:
            self._stopped = True
        return replace(ended, seconds=time.monotonic() - started)

    def _blocked(self, step: StepId) -> Ended | None:
        """Returns why a step cannot be run, or need not be."""
        secrets = self.request.secrets
        if self.request.is_ending():
            return skipped(step, INTERRUPTED)
        if self._stopped:
            return skipped(step, "another step failed before it (--fail-fast)")
        if step != "build" and self.ended["build"].status == "failed":
            return skipped(step, "it was not built")
        if step != "build" and not self._image:
            return skipped(step, f"no image was built for {self.order.native}, which is what this machine runs")
        if step in _SOURCE_ONLY and self.connector.kind == "destination":
            return skipped(step, "a destination has no such command")
        if step in ("check", "discover", "read") and not secrets.configuration:
            return skipped(step, secrets.missing)
        if step in ("check", "discover", "read") and secrets.problem:
            return failed(step, secrets.problem)
        if step == "read" and (before := self.ended.get("check")) and before.status == "failed":
            return skipped(step, "check failed")
        return None

    # --- the steps -------------------------------------------------------------------------------

    def _run(self, step: StepId) -> Ended:
        runs: dict[StepId, Callable[[], Ended]] = {
            "build": self._build,
            "unit": self._unit,
            "integration": self._integration,
            "spec": self._spec,
            "check": self._check,
            "discover": self._discover,
            "read": self._read,
        }
        return runs[step]()

    def _build(self) -> Ended:
        outcomes = job.run(self.connector, self.order, self.tools)
        self._folders = tuple(sorted({place for item in outcomes for place in item.facts.get("alsoReads", ())}))
        for outcome in outcomes:
            if outcome.facts["platform"] == str(self.order.native):
                self._plan, self._image = outcome.facts["plan"], outcome.facts["digest"]
        summary = "; ".join(outcome.summary for outcome in outcomes)
        unverified = [outcome for outcome in outcomes if outcome.status == "unverified"]
        if unverified:
            # The image for this machine is built and answers, regardless of other platforms.
            return Ended(
                id="build",
                status="unverified",
                summary=summary,
                reason=f"{unverified[0].facts['platform']}: {unverified[0].reason}",
                answer="ok" if self._image else "unverified",
            )
        return Ended(id="build", status="ok", summary=summary, answer="ok")

    def _unit(self) -> Ended:
        return self._suite("unit", "none")

    def _integration(self) -> Ended:
        secrets = self.request.secrets
        ended = suites.missing_secrets(self.connector, secrets) or self._suite("integration", self.request.network)
        if not secrets.left_out:
            return ended
        return replace(ended, details=(secrecy.too_large(secrets.left_out), *ended.details))

    def _spec(self) -> Ended:
        return protocol.spec(self._place(), self.request.secrets)

    def _check(self) -> Ended:
        return protocol.check(self._place(), self.request.network, self.request.secrets)

    def _discover(self) -> Ended:
        return protocol.discover(self._place(), self.request.network, self.request.secrets)

    def _read(self) -> Ended:
        catalog, what = self.request.catalog, "the catalog that was given"
        if catalog is None and (own := own_catalog(self.connector)) is not None:
            catalog, what = own, f"{self.connector.relative}/{CATALOG}"
        if catalog is None:
            found = self.ended.get("discover") or self.step("discover")
            if found.status != "ok":
                return skipped("read", "discover gave no catalog to read by")
            catalog, what = protocol.configured(found.answer), "the discovered catalog"
        if wrong := protocol.problem_of_catalog(catalog):
            return failed("read", f"reading {what}: {wrong}")
        return protocol.read(self._place(), self.request.network, self.request.secrets, catalog, self.request.state)

    def _suite(self, step: StepId, network: Network) -> Ended:
        if self.connector.language == JAVA:
            return suites.of_gradle(self.connector, step)
        suite = suites.find(self.connector, step, network)
        if suite is None:
            return suites.absent(step)
        found, place = self._tests()
        return suites.run(suite, self.connector, found, place, self.request.secrets)

    # --- where they run --------------------------------------------------------------------------

    def _place(self) -> StepSandbox:
        """Returns the image as it is; unpacked once."""
        with self._lock:
            if self._bare is None:
                store = self.tools.store
                tree, command = prepare(store, store.image(Digest.parse(self._image)), (), use_entrypoint=True)
                self._bare = StepSandbox(
                    store, tree, command=command, mounts=self.request.mounts, timeout=self.request.timeout
                )
            return self._bare

    def _tests(self) -> tuple[Development, StepSandbox]:
        """Returns the image with the development dependencies."""
        with self._lock:
            if self._with_tests is None:
                self.tools.say("development dependencies")
                found = development.prepare(self.connector, self.order, self.tools, Digest.parse(self._plan))
                command = execute.command(found.state, found.tree, (), use_entrypoint=False)
                place = StepSandbox(
                    self.tools.store,
                    found.tree,
                    command=command,
                    mounts=self.request.mounts,
                    timeout=self.request.timeout,
                )
                self._with_tests = found, place
            return self._with_tests
