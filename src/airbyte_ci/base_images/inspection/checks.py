"""Checks a base image: the declared sanity checks, and the contract that every base image must keep.

Passed checks are cached by the image's digest.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from airbyte_ci.base_images.declaration.declare import SanityCheck
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store, action_key

FORMAT_VERSION = 2
_TIMEOUT = 120
# Number of characters at the end of a failed check's output that are shown.
_SHOWN = 600
# Colors, cursor movements and titles (ECMA-48), which are useless in a report.
_STYLES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check; `said` is its message, empty if it passed."""

    name: str
    said: str = ""

    @property
    def passed(self) -> bool:
        return not self.said


def require(
    store: Store, image: Image, declared: Sequence[SanityCheck], progress: Callable[[str], None]
) -> tuple[str, ...]:
    """Returns the names of the declared checks, which all pass; raises ImageError with all failures."""
    results = sanity(store, image, declared, progress)
    if failures := [item for item in results if not item.passed]:
        said = "".join(f"\n    {item.name}: {item.said}" for item in failures)
        raise ImageError(f"the base image fails its sanity checks:{said}")
    return tuple(item.name for item in results)


def sanity(
    store: Store, image: Image, declared: Sequence[SanityCheck], progress: Callable[[str], None]
) -> tuple[CheckResult, ...]:
    """Runs the declared checks: each command must succeed and print the expected pattern."""
    inputs = {
        "image": str(image.digest),
        "checks": [[item.name, list(item.run), item.expect] for item in declared],
    }
    key = action_key("sanity-checks", FORMAT_VERSION, inputs)
    if store.recall(key):
        return tuple(CheckResult(item.name) for item in declared)
    if declared:
        progress("running sanity checks")
    results = tuple(CheckResult(item.name, _failure(item, store, image)) for item in declared)
    if all(item.passed for item in results):
        store.remember(key, {"passed": [item.name for item in results]})
    return results


def kept(
    store: Store,
    image: Image,
    writable: Sequence[str],
    progress: Callable[[str], None],
    *,
    has_python: bool = True,
) -> tuple[CheckResult, ...]:
    """Runs the contract of every base image; `writable` are additional paths that its user may write.

    Images without a Python, for other languages, are not asked what only a Python answers.
    """
    # Imported here because it is slow, and a build that changes nothing runs no checks.
    from airbyte_ci.base_images.inspection import contract

    inputs = {
        "image": str(image.digest),
        "writable": sorted(writable),
        "contract": contract.VERSION,
        **({} if has_python else {"python": False}),
    }
    key = action_key("base-contract", FORMAT_VERSION, inputs)
    if known := store.recall(key):
        return tuple(CheckResult(name) for name in known["passed"])
    subject = contract.subject(store, image, tuple(writable), has_python=has_python)
    results = []
    for name, check in contract.clauses(subject):
        progress(name)
        results.append(CheckResult(name, check(subject) or ""))
    if all(item.passed for item in results):
        store.remember(key, {"passed": [item.name for item in results]})
    return tuple(results)


def _failure(check: SanityCheck, store: Store, image: Image) -> str:
    from airbyte_ci.recipe import evaluate
    from airbyte_ci.sandbox import sandbox

    tree, command = evaluate.prepare(store, image, check.run)
    finished = sandbox.run(store, tree, replace(command, timeout=_TIMEOUT))
    output = finished.stdout.decode(errors="replace") + finished.stderr.decode(errors="replace")
    if finished.returncode:
        return f"{' '.join(check.run)} exited with {finished.returncode}: {last_words(output)}"
    if not re.search(check.expect, output, re.MULTILINE):
        return f"{' '.join(check.run)} printed {last_words(output)}, which does not match {check.expect!r}"
    return ""


def last_words(output: str) -> str:
    """Returns the end of an output on one line without colors; programs report errors at the end."""
    lines = [line.strip() for line in _STYLES.sub("", output).splitlines() if line.strip()]
    shown = " / ".join(lines)
    return f"… {shown[-_SHOWN:].lstrip()}" if len(shown) > _SHOWN else shown or "nothing"
