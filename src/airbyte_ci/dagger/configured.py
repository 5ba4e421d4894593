"""The configuration of an image as a Container's methods: variables, user, folder, labels, entrypoint, ports."""

from collections.abc import Sequence
from typing import TypeVar

from . import operations as op
from .operations import Json, Operation
from .values import Awaitable, text, texts

C = TypeVar("C", bound="Configured")


class Configured(Awaitable):
    """The part of a Container that only changes the image's configuration."""

    def _then(self: C, *operations: Operation) -> C:
        raise NotImplementedError

    def with_env_variable(self: C, name: str, value: str, expand: bool | None = None) -> C:
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"with_env_variable takes two strings, not {name!r} and {value!r}")
        return self._then(op.SetVariable(name, value, bool(expand)))

    def without_env_variable(self: C, name: str) -> C:
        return self._then(op.UnsetVariable(name))

    def with_user(self: C, name: str) -> C:
        return self._then(op.SetUser(name))

    def without_user(self: C) -> C:
        return self._then(op.SetUser(""))

    def with_workdir(self: C, path: str, expand: bool | None = None) -> C:
        return self._then(op.SetWorkdir(path, bool(expand)))

    def without_workdir(self: C) -> C:
        return self._then(op.SetWorkdir("/"))

    def with_label(self: C, name: str, value: str) -> C:
        return self._then(op.SetLabel(name, value))

    def without_label(self: C, name: str) -> C:
        return self._then(op.UnsetLabel(name))

    def with_annotation(self: C, name: str, value: str) -> C:
        return self._then(op.SetAnnotation(text("with_annotation", name), text("with_annotation", value)))

    def without_annotation(self: C, name: str) -> C:
        return self._then(op.UnsetAnnotation(name))

    def with_entrypoint(self: C, args: Sequence[str], keep_default_args: bool | None = None) -> C:
        changed = op.SetEntrypoint(texts("with_entrypoint", args))
        return self._then(changed) if keep_default_args else self._then(changed, op.SetDefaultArguments(()))

    def without_entrypoint(self: C, keep_default_args: bool | None = None) -> C:
        return self.with_entrypoint((), keep_default_args)

    def with_default_args(self: C, args: Sequence[str] | None = None) -> C:
        return self._then(op.SetDefaultArguments(texts("with_default_args", args or ())))

    def without_default_args(self: C) -> C:
        return self._then(op.SetDefaultArguments(()))

    def with_exposed_port(
        self: C,
        port: int,
        protocol: str | None = None,
        description: str | None = None,  # noqa: ARG002  # the image format has no place for it
        experimental_skip_healthcheck: bool | None = None,  # noqa: ARG002  # nothing is checked here
    ) -> C:
        return self._then(op.ExposePort(_port(port, protocol)))

    def without_exposed_port(self: C, port: int, protocol: str | None = None) -> C:
        return self._then(op.UnexposePort(_port(port, protocol)))

    # Methods that only group or display steps in Dagger.

    def pipeline(self: C, name: str, description: str | None = None, labels: Json = None) -> C:  # noqa: ARG002
        return self

    def with_focus(self: C) -> C:
        return self

    def without_focus(self: C) -> C:
        return self


def _port(port: int, protocol: str | None) -> str:
    if type(port) is not int or not 0 < port < 1 << 16:
        raise TypeError(f"{port!r} is not a valid port number")
    return f"{port}/{str(getattr(protocol, 'value', protocol) or 'TCP').lower()}"
