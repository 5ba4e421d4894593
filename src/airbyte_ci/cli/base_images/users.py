"""`base-images users`: lists the connectors on a base image version, and the command that moves them to another."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from airbyte_ci import app, config
from airbyte_ci.base_images.catalog import catalog
from airbyte_ci.base_images.catalog.catalog import BaseImageVersion, Catalog
from airbyte_ci.campaigns.bases import upgrade_advice
from airbyte_ci.cli import console
from airbyte_ci.cli import fleet as fleets
from airbyte_ci.cli.options import SelectionOptions, json_option
from airbyte_ci.cli.settings import Settings
from airbyte_ci.errors import ConnectorError
from airbyte_ci.reports import base_images as report
from airbyte_ci.reports import next_step
from airbyte_ci.text import plural


@click.command("users")
@click.argument("version")
@json_option
@click.pass_obj
def users_of_base_image(settings: Settings, version: str, *, as_json: bool) -> int:
    """List the connectors on a version, and the command that moves them to another version."""
    settings = settings.also(as_json=as_json)
    configuration = config.find(settings.repo)
    known = catalog.load(configuration.catalog_path)
    entry = known.named(version, configuration.base_image_repositories)
    users = of(settings, known, entry)
    if settings.as_json:
        document = {"repository": entry.repository, "version": entry.version, **users.to_json()}
        console.document(document)
        return 0
    for name in users.names:
        console.line(name)
    console.line(f"{plural(len(users.names), 'connector')} on {entry.address.name} {entry.version}", err=True)
    for line in users.lines():
        console.line(line, err=True)
    return 0


@dataclass(frozen=True, slots=True)
class Leaving:
    """The connectors on a version, the command that moves them, and those that cannot move, with the reason.

    `through` lists the versions built on it, with the connectors that use it through them.
    """

    names: tuple[str, ...]
    command: str
    stuck: tuple[tuple[str, str], ...]
    through: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def to_json(self) -> dict[str, Any]:
        through = {name: list(users) for name, users in self.through}
        optional = {"next": self.command, "stuck": dict(self.stuck), "through": through}
        return {"connectors": list(self.names), **{key: value for key, value in optional.items() if value}}

    def lines(self) -> Iterable[str]:
        for name, users in self.through:
            yield f"  · {len(users)} through {name}: {', '.join(users)}"
        for name, reason in self.stuck:
            yield f"  ! {name}: {reason}"
        if self.command:
            yield f"  {next_step.line(self.command)}"


def of(settings: Settings, known: Catalog, entry: BaseImageVersion) -> Leaving:
    """Returns the connectors on the version or on one built on it, each with a target that its Python allows."""
    fleet = fleets.load(settings, SelectionOptions(everything=True), may_be_empty=True)
    today = app.today()
    names, stuck, ways, through = [], [], dict[str, list[str]](), dict[str, list[str]]()
    for connector in fleet.connectors:
        used = known.find(connector.base_image) if connector.base_image else None
        if used is None or entry not in (used, *known.foundations(used)):
            continue
        names.append(connector.name)
        if used != entry:
            through.setdefault(f"{used.address.name} {used.version}", []).append(connector.name)
        try:
            to = upgrade_advice.of(connector, fleet.configuration, known, today)
        except ConnectorError as error:
            stuck.append((connector.name, f"{error.message} → {error.advice}" if error.advice else error.message))
        else:
            ways.setdefault(to, []).append(connector.name)
    above = tuple((name, tuple(users)) for name, users in through.items())
    return Leaving(tuple(names), report.moving(ways), tuple(stuck), above)
