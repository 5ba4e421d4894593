"""The drafts of build_customization.yaml and build_customization.py: what was carried over, as texts."""

import yaml

from airbyte_ci.campaigns.carried import CarriedOver
from airbyte_ci.connectors.customization import Customization

_HEADER = """\
# What this connector's image needs beside its base image, its lock and its code.
# Drafted from the Dockerfile that it replaces: leave out what is not needed any more.
"""
_MODULE = '''\
"""What this connector's image needs beside its base image, its lock and its code.

Drafted from the Dockerfile that it replaces: check each step, and leave out what is not needed any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger import Container
'''


def declaration(customization: Customization) -> str:
    """build_customization.yaml."""
    return _HEADER + yaml.dump(customization.to_json(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def module(carried: CarriedOver) -> str:
    """build_customization.py: commands before the connector is installed, labels and the entry point after it."""
    text = _MODULE
    if carried.main_file:
        text += f"\nMAIN_FILE_NAME = {_quoted(carried.main_file)}\n"
    if carried.before:
        text += _hook("pre_connector_install", "base_image_container", [_exec(command) for command in carried.before])
    after = [_exec(command) for command in carried.after]
    after += [f".with_label({_quoted(name)}, {_quoted(value)})" for name, value in carried.labels.items()]
    if carried.entrypoint:
        after.append(f".with_entrypoint([{', '.join(map(_quoted, carried.entrypoint))}])")
    if after:
        text += _hook("post_connector_install", "connector_container", after)
    return text


def _hook(name: str, argument: str, steps: list[str]) -> str:
    chain = "".join(f"\n        {step}" for step in steps)
    return (
        f"\n\nasync def {name}({argument}: Container) -> Container:\n    return (\n        {argument}{chain}\n    )\n"
    )


def _exec(command: tuple[str, ...]) -> str:
    return f".with_exec([{', '.join(map(_quoted, _words(command)))}])"


def _words(command: tuple[str, ...]) -> tuple[str, ...]:
    """One word is a text for the shell: a whole RUN that could not be taken apart."""
    shell = len(command) == 1 or any(set(word) & set("$*?<>~") for word in command)
    return ("sh", "-c", _joined(command)) if shell else command


def _joined(command: tuple[str, ...]) -> str:
    import re
    import shlex

    if len(command) == 1:
        return command[0]
    # What the shell was to expand stays bare; all else is quoted again.
    return " ".join(word if re.fullmatch(r"[\w$*?<>~./{}:=,+-]+", word) else shlex.quote(word) for word in command)


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key, as metadata.yaml has them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  # PyYAML's signature
        super().increase_indent(flow, False)
