"""The work of `--executor`: a command for each selected connector, as jobs of a cluster."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from airbyte_ci.cli import console
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.fleet import Fleet
from airbyte_ci.cli.options import SELECTION_NAMES, SelectionOptions
from airbyte_ci.cli.settings import Settings
from airbyte_ci.documents import load_json
from airbyte_ci.errors import UsageError
from airbyte_ci.git import git
from airbyte_ci.outcomes import Status
from airbyte_ci.reports import terminal

if TYPE_CHECKING:  # most runs stay on this machine
    from airbyte_ci.execution.remote_job import RemoteJob, RemoteResult

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_SENT = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
_STATUSES: dict[str, Status] = {"ok": "ok", "failed": "failed", "skipped": "skipped", "unverified": "unverified"}


def dispatch(settings: Settings, asked: SelectionOptions, address: str, memory: int) -> int:
    """Runs the current command at this address, each job with so many bytes of memory.

    Returns 1 if any connector failed or its job did not end, else 0.
    """
    from airbyte_ci.execution import dask_cluster

    context = click.get_current_context()
    name = str(context.command.name)
    arguments = _arguments(context)
    if settings.offline:
        raise UsageError("--executor needs the network and excludes --offline")
    fleet = fleets.load_for_change(settings, asked, name)
    jobs = _jobs(settings, fleet, name, arguments, memory)
    code = 0
    started = dask_cluster.run(address, jobs, fleets.warn, memory)
    with closing(started) as results:  # type: ignore[type-var]  # a generator
        for result in results:
            code |= int(result.code != 0)
            _show(settings, result)
    return code


def _arguments(context: click.Context) -> list[str]:
    """Returns the options of the command line without the selection. Raises UsageError for files of this machine."""
    found: list[str] = []
    for parameter in context.command.params:
        name = str(parameter.name)
        own = (*SELECTION_NAMES, "shard", "executor", "job_memory", "as_json")
        if name in own or context.get_parameter_source(name) not in _SENT:
            continue
        value = context.params[name]
        if isinstance(parameter.type, click.Path):
            raise UsageError(
                f"{parameter.opts[0]} names a file of this machine, and --executor runs elsewhere",
                advice="leave one of them out",
            )
        if isinstance(parameter, click.Option) and parameter.is_flag:
            found.append(parameter.opts[0] if value else parameter.secondary_opts[0])
            continue
        for item in value if parameter.multiple else (value,):
            if name == "outputs" and not str(item).startswith("registry"):
                raise UsageError(f"--output {item} stays on the worker", advice="use --output registry:PREFIX")
            found += [parameter.opts[0], str(item)]
    return found


def _jobs(settings: Settings, fleet: Fleet, name: str, arguments: list[str], memory: int) -> "list[RemoteJob]":
    from airbyte_ci.execution import remote_worker
    from airbyte_ci.execution.remote_job import RemoteJob

    root = fleet.configuration.root
    commit = _answer(fleet, "rev-parse", "HEAD")
    # The address without a login: workers have their own.
    repository = _CREDENTIALS.sub("", _answer(fleet, "remote", "get-url", "origin"))
    paths = [connector.relative for connector in fleet.connectors]
    if changed := _answer(fleet, "status", "--porcelain", "--", *paths, may_be_empty=True):
        raise UsageError(
            f"--executor builds commits, and this clone has changes: {changed.splitlines()[0]}",
            advice="commit and push them",
            error_id="uncommitted-changes",
        )
    contained = git.ask(root, "branch", "--remotes", "--contains", commit)
    if contained is None or not contained.stdout.strip():
        raise UsageError(
            f"the commit {commit[:12]} is on no remote branch, so workers cannot get it", advice="git push"
        )
    prefix = _answer(fleet, "rev-parse", "--show-prefix", may_be_empty=True)
    own = remote_worker.describe()
    branch = ["--diffed-branch", settings.diffed_branch] if settings.diffed_branch else []
    return [
        RemoteJob(
            subject=connector.name,
            repository=repository,
            commit=commit,
            folder=prefix,
            arguments=("--json", *branch, "connectors", f"--name={connector.name}", name, *arguments),
            memory=memory,
            **own,
        )
        for connector in fleet.connectors
    ]


def _answer(fleet: Fleet, *arguments: str, may_be_empty: bool = False) -> str:
    done = git.ask(fleet.configuration.root, *arguments)
    text = done.stdout.decode(errors="replace").strip() if done and not done.returncode else ""
    if not text and not may_be_empty:
        raise UsageError(f"--executor needs a git clone with a remote origin: git {arguments[0]} does not answer")
    return text


def _show(settings: Settings, result: "RemoteResult") -> None:
    """Prints the documents of a job with --json, else a line for each."""
    documents = list(_documents(result))
    if not documents:
        lines = [line for line in result.error.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"the job ended with {result.code}"
        reason += f" (on {result.worker})" if result.worker else ""
        documents = [{"name": result.subject, "status": "failed", "reason": reason}]
    for document in documents:
        if settings.as_json:
            console.document(document)
            continue
        status = _STATUSES.get(str(document.get("status")), "ok" if result.code == 0 else "failed")
        steps = document.get("steps") or [{}]
        reasons = [document.get("reason"), *(step.get("reason") for step in steps if step.get("status") == "failed")]
        shown = next((text for text in reasons if text), "") or str(document.get("digest", ""))
        console.line(f"{terminal.mark(status)} {document.get('name', result.subject)} {shown}".rstrip())


def _documents(result: "RemoteResult") -> Iterator[dict[str, Any]]:
    for line in result.output.splitlines():
        try:
            document = load_json(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            yield document
