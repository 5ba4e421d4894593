"""Options of the original airbyte-ci that scripts still pass: accepted, with a warning that they have no effect.

Options that would change a result are refused, so that users do not believe that they were applied.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from airbyte_ci.cli import console
from airbyte_ci.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_GIT = "airbyte-ci asks git"
_ENGINE = "airbyte-ci needs no engine"
_UPDATES = "airbyte-ci does not update itself"
_RECORDS = "nothing is uploaded"
_ROOT_FLAGS = {
    "--is-local/--is-ci": "airbyte-ci behaves the same everywhere",
    "--enable-dagger-run/--disable-dagger-run": _ENGINE,
    "--show-dagger-logs/--hide-dagger-logs": _ENGINE,
    "--yes-auto-update/--no-auto-update": _UPDATES,
    "--enable-update-check/--disable-update-check": _UPDATES,
    "--enable-auto-update/--disable-auto-update": _UPDATES,
    "--yes/--y": "airbyte-ci asks no questions",
}
_ROOT_VALUES = {
    "--ci-context": "airbyte-ci behaves the same everywhere",
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
    "--ci-git-user": "git's configuration names the committer",
    "--ci-github-access-token": "set GITHUB_TOKEN instead",
    "--pull-request-number": "put it after the command's name",
    "--s3-build-cache-access-key-id": "the store is the cache",
    "--s3-build-cache-secret-key": "the store is the cache",
}
_GROUP_FLAGS = {
    "--enable-dependency-scanning/--disable-dependency-scanning": "Java dependencies are not followed",
    "--enable-report-auto-open/--disable-report-auto-open": "reports are never opened",
    "--use-remote-secrets/--use-local-secrets": "airbyte-ci reads secrets from files or the environment",
}
_GROUP_VALUES = {
    "--execute-timeout": "there is no overall time limit; `test --timeout` limits each step",
    "--docker-hub-username": "airbyte-ci uses the credentials of Docker and Podman",
    "--docker-hub-password": "airbyte-ci uses the credentials of Docker and Podman",
}
_TEST_FLAGS = {"--concurrent-cat": "connectors are tested in parallel, by --concurrency"}
_STATUS = "CI shows the exit code and the report of --junit"
_TEST_VALUES = {"--global-status-check-context": _STATUS, "--global-status-check-description": _STATUS}
_BUILD_FLAGS = {"--use-host-gradle-dist-tar": "the tar in build/distributions is read by default"}


def compatible_root_options(function: F) -> F:
    """Adds the original's global options, hidden; the command does not receive their values."""
    return _without_effect(_ROOT_FLAGS, _ROOT_VALUES)(function)


def compatible_options(function: F) -> F:
    """Adds the original's options of the `connectors` group, hidden."""
    function = _without_effect(_GROUP_FLAGS, _GROUP_VALUES)(function)
    function = _hidden("--use-cdk-ref", _framework, metavar="VALUE")(function)
    return _hidden("--use-local-cdk", _framework, is_flag=True, default=None)(function)


def compatible_test_options(function: F) -> F:
    """Adds the original's options of `test` that have no effect here, hidden."""
    return _without_effect(_TEST_FLAGS, _TEST_VALUES)(function)


def compatible_build_options(function: F) -> F:
    """Adds the original's options of `build` that have no effect here, hidden."""
    return _without_effect(_BUILD_FLAGS, {})(function)


def without_effect(spelling: str, why: str) -> Callable[[F], F]:
    """Returns the decorator that adds an option with a value that the original accepted, hidden."""
    return _hidden(spelling, _tell(why), metavar="VALUE")


def _without_effect(flags: Mapping[str, str], values: Mapping[str, str]) -> Callable[[F], F]:
    def added(function: F) -> F:
        for spelling, why in flags.items():
            function = _hidden(spelling, _tell(why), is_flag=True, default=None)(function)
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
        f"{name} is an option of build, test and environment",
        advice=f"put it after the command: airbyte-ci connectors build {usage}",
    )


def _hidden(spelling: str, react: Callable[[str, object], None], **settings: Any) -> Callable[[F], F]:  # noqa: ANN401  # click's callables
    def called(ctx: click.Context, option: click.Parameter, value: object) -> None:  # noqa: ARG001  # click's signature
        if value is None or ctx.resilient_parsing:
            return
        yes, _, no = spelling.partition("/")
        react(no if value is False else yes, value)

    return click.option(spelling, hidden=True, expose_value=False, callback=called, **settings)
