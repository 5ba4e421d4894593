"""Options of the original that scripts still pass: accepted, and told to have no effect.

What would change a result is refused instead: nobody must believe that it was done.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from airbyte_ci.cli import console
from airbyte_ci.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_GIT = "git is asked"
_ENGINE = "there is no engine"
_UPDATES = "it does not update itself"
_RECORDS = "nothing is uploaded"
_ROOT_FLAGS = {
    "--is-local/--is-ci": "it behaves alike everywhere",
    "--enable-dagger-run/--disable-dagger-run": _ENGINE,
    "--show-dagger-logs/--hide-dagger-logs": _ENGINE,
    "--yes-auto-update/--no-auto-update": _UPDATES,
    "--enable-update-check/--disable-update-check": _UPDATES,
    "--enable-auto-update/--disable-auto-update": _UPDATES,
    "--yes/--y": "nothing is asked",
}
_ROOT_VALUES = {
    "--ci-context": "it behaves alike everywhere",
    "--git-branch": _GIT,
    "--git-revision": _GIT,
    "--git-repo-url": _GIT,
    "--gha-workflow-run-id": _RECORDS,
    "--pipeline-start-timestamp": _RECORDS,
    "--ci-job-key": _RECORDS,
    "--ci-report-bucket-name": _RECORDS,
    "--ci-artifact-bucket-name": _RECORDS,
    "--ci-gcp-credentials": _RECORDS,
    "--ci-gcs-credentials": _RECORDS,
    "--ci-git-user": "commits are made as git is configured",
    "--ci-github-access-token": "the token is that of GITHUB_TOKEN",
    "--pull-request-number": "give it to the command, behind its name",
    "--s3-build-cache-access-key-id": "the store is the cache",
    "--s3-build-cache-secret-key": "the store is the cache",
}
_GROUP_FLAGS = {
    "--enable-dependency-scanning/--disable-dependency-scanning": "dependencies of Java connectors are not followed",
    "--enable-report-auto-open/--disable-report-auto-open": "reports are never opened",
    "--use-remote-secrets/--use-local-secrets": "secrets come from files or the environment",
}
_GROUP_VALUES = {
    "--execute-timeout": "nothing has a time limit",
    "--docker-hub-username": "logins are those of Docker and Podman",
    "--docker-hub-password": "logins are those of Docker and Podman",
}
_MIGRATION = "the version is bumped by one patch, and --changelog-text says what the entry says"


def compatible_root_options(function: F) -> F:
    """Adds the root command's options, hidden; their values do not reach it."""
    return _without_effect(_ROOT_FLAGS, _ROOT_VALUES)(function)


def compatible_options(function: F) -> F:
    """The same for the `connectors` group."""
    function = _without_effect(_GROUP_FLAGS, _GROUP_VALUES)(function)
    function = _hidden("--use-cdk-ref", _framework, metavar="VALUE")(function)
    return _hidden("--use-local-cdk", _framework, is_flag=True, default=None)(function)


def compatible_migration(function: F) -> F:
    """The same for the migration, whose original took them and did not use them."""
    return _hidden("--bump", _tell(_MIGRATION), metavar="VALUE")(function)


def _without_effect(flags: Mapping[str, str], values: Mapping[str, str]) -> Callable[[F], F]:
    def added(function: F) -> F:
        for spelling, why in flags.items():
            function = _hidden(spelling, _tell(why), default=None)(function)
        for spelling, why in values.items():
            function = _hidden(spelling, _tell(why), metavar="VALUE")(function)
        return function

    return added


def _tell(why: str) -> Callable[[str, object], None]:
    def tell(name: str, _: object) -> None:
        console.line(click.style("! ", fg="yellow") + f"{name} has no effect: {why}", err=True)

    return tell


def _framework(name: str, value: object) -> None:
    usage = f"{name} DIR" if value is True else f"{name} {value}"
    raise UsageError(
        f"{name} is an option of build, test and environment, not of all commands",
        advice=f"give it behind the command: airbyte-ci connectors build {usage}",
    )


def _hidden(spelling: str, react: Callable[[str, object], None], **settings: Any) -> Callable[[F], F]:
    def called(ctx: click.Context, option: click.Parameter, value: object) -> None:  # noqa: ARG001  # click's signature
        if value is None or ctx.resilient_parsing:
            return
        yes, _, no = spelling.partition("/")
        react(no if value is False else yes, value)

    return click.option(spelling, hidden=True, expose_value=False, callback=called, **settings)
