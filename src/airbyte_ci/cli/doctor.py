"""`doctor`: probes everything that a build needs on this machine."""

import contextlib
import os

import click

from airbyte_ci import app, config
from airbyte_ci.cli import console, workbench
from airbyte_ci.cli.options import json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.doctor import machine, programs
from airbyte_ci.doctor.check import MachineCheck
from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.reports import doctor as report


@click.command("doctor")
@json_option
@click.pass_obj
def doctor(settings: Settings, *, as_json: bool) -> int:
    """Check that this machine can build images: namespaces, overlay, runc, network, disk, registries, tools.

    For each missing item the command prints the consequence and a fix. The exit code is 1 if builds cannot work.
    """
    settings = settings.also(as_json=as_json)

    found: tuple[MachineCheck, ...] = (programs.check_runner(),)
    if found[0].status == "ok":
        with contextlib.suppress(AirbyteCiError, OSError):  # the probes say why
            app.open_store()  # continues in a user namespace or a container, as builds do
        home, native = config.home(os.environ), app.find_platform()
        found = machine.examine(home, workbench.find_configuration(settings), native, offline=settings.offline)
    if settings.as_json:
        console.document(report.to_json(found))
    else:
        console.block(report.lines(found, quiet=settings.quiet))
    return int(any(item.status == "missing" for item in found))
