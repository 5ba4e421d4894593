"""Drafts of build_customization.yaml and build_customization.py with everything that is carried over."""

import yaml

from airbyte_ci.campaigns.conversion.carried import CODE, CarriedOver, Step
from airbyte_ci.connectors.customization import Customization

_HEADER = """\
# The needs of this connector's image beyond its base image, its lock and its code.
# Drafted from the Dockerfile that it replaces: leave out what is not needed any more.
"""
_MODULE = '''\
"""The needs of this connector's image beyond its base image, its lock and its code.

Drafted from the Dockerfile that it replaces: check each step, and leave out what is not needed any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container
'''


def declaration(customization: Customization) -> str:
    """Returns build_customization.yaml."""
    return _HEADER + yaml.dump(customization.to_json(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def module(carried: CarriedOver) -> str:
    """Returns build_customization.py: commands before the connector's installation, and everything after it."""
    text = _MODULE
    entry = carried.entry_point
    if entry.main_file:
        text += f"\nMAIN_FILE_NAME = {_quoted(entry.main_file)}\n"
    if carried.before:
        steps = _steps(carried.before, carried.base_user, carried.base_user, None)
        text += _hook("pre_connector_install", "base_image_container", steps)
    at_first = carried.customization.user or carried.base_user
    after = _steps(carried.after, at_first, carried.user or at_first, carried.workdir)
    after += [f".with_label({_quoted(name)}, {_quoted(value)})" for name, value in carried.labels.items()]
    if entry.arguments:
        after.append(f".with_entrypoint([{', '.join(map(_quoted, entry.arguments))}])")
    if after:
        text += _hook("post_connector_install", "connector_container", after)
    return text


def _steps(steps: tuple[Step, ...], user: str, last_user: str, last_workdir: str | None) -> list[str]:
    """Returns the steps, each with its user and folder.

    `user` is the container's first user, `last_user` its last; a folder of None is that of the code.
    """
    calls: list[str] = []
    workdir: str | None = None
    for step in (*steps, None):
        next_user, next_workdir = (step.user, step.workdir) if step else (last_user, last_workdir)
        if next_user != user:
            calls.append(f".with_user({_quoted(next_user)})")
        if next_workdir != workdir:
            calls.append(f".with_workdir({_quoted(next_workdir or CODE)})")
        user, workdir = next_user, next_workdir
        calls += [_exec(step)] if step else []
    return calls


def _hook(name: str, argument: str, steps: list[str]) -> str:
    chain = "".join(f"\n        {step}" for step in steps)
    return (
        f"\n\nasync def {name}({argument}: Container) -> Container:\n    return (\n        {argument}{chain}\n    )\n"
    )


def _exec(step: Step) -> str:
    words = step.words
    if len(words) == 1:
        words = ("sh", "-c", words[0])
    return f".with_exec([{', '.join(map(_quoted, words))}])"


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, like metadata.yaml."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # PyYAML's signature
        super().increase_indent(flow, indentless=False)
