"""Runs a built image: a connector's commands, a shell, and the `spec` that verifies a build."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError
from airbyte_ci.images import verification
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe import evaluate
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.sandbox import sandbox


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How to run an image: mounts, network, terminal."""

    mounts: tuple[sandbox.Mount, ...] = ()
    network: sandbox.Network = "private"
    terminal: bool = False
    shell: bool = False


def run(store: Store, image: Image, arguments: Sequence[str], settings: RunSettings) -> int:
    """Runs the image with this process's stdin, stdout and stderr; returns the connector's exit code."""
    evaluator = Evaluator(store, image)
    state = evaluator.state(())
    tree = evaluator.tree(state)
    if settings.shell:
        shell = "/bin/bash" if tree.resolve("bin/bash") else "/bin/sh"
        command = evaluator.command(state, tree, (shell, *arguments), use_entrypoint=False)
    else:
        command = evaluator.command(state, tree, arguments, use_entrypoint=True)
    command = replace(
        command,
        mounts=settings.mounts,
        network=settings.network,
        terminal=settings.terminal,
        keep_output=False,
        stdin=None,
    )
    return sandbox.run(store, tree, command).returncode


def verify(store: Store, image: Image) -> Mapping[str, Any]:
    """Returns the output of the image's `spec`; raises ImageError if it is not a specification.

    Cached by the image's digest: the same bytes give the same specification.
    """
    if known := verification.known(store, image):
        return known
    tree, command = evaluate.prepare(store, image, ("spec",), use_entrypoint=True)
    finished = sandbox.run(store, tree, replace(command, timeout=300))
    output = finished.stdout.decode(errors="replace")
    specification = _specification(output)
    if finished.returncode or specification is None:
        said = (finished.stderr.decode(errors="replace").strip() or output.strip()).splitlines()[-12:]
        shown = "".join(f"\n    {line}" for line in said)
        raise ImageError(
            f"the built image does not answer `spec` (exit code {finished.returncode}):{shown}", error_id="spec-failed"
        )
    verification.remember(store, image, specification)
    return specification


def _specification(output: str) -> dict[str, Any] | None:
    """Returns the `spec` of a SPEC message among the lines (Airbyte protocol); log lines may precede it."""
    for line in output.split("\n"):  # In JSON, other line ends are text.
        try:
            message = load_json(line)
        except ValueError:
            continue
        if isinstance(message, dict) and message.get("type") == "SPEC" and isinstance(message.get("spec"), dict):
            specification: dict[str, Any] = message["spec"]
            return specification
    return None
