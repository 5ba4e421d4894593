"""A click group that imports a command's module only when that command is used, under both spellings."""

import importlib
from collections.abc import Mapping

import click

# The key of a context in which groups parse their hidden options too.
_HIDDEN = "airbyte_ci.hidden"


class LazyGroup(click.Group):
    """`lazy` maps a name to (module, attribute, one-line help); `a_b` and `a-b` are the same command.

    The attribute is the command, or a function that makes it from the name.

    `instead` has hints for commands of the original airbyte-ci, by their names with dashes.
    """

    def __init__(
        self,
        *,
        lazy: Mapping[str, tuple[str, str, str]],
        instead: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]  # click's own keyword arguments
        self._lazy = lazy
        self._instead = instead or {}

    @property
    def shorts(self) -> dict[str, str]:
        """Returns the one-line help of each command."""
        return {name: short for name, (_, _, short) in self._lazy.items()}

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        found = super().get_params(ctx)
        return found if ctx.meta.get(_HIDDEN) else [item for item in found if not getattr(item, "hidden", False)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Few command lines have one of the hidden options, which are half of a group's.
        try:
            return super().parse_args(ctx, [*args])
        except click.NoSuchOption:
            ctx.meta[_HIDDEN] = True
            return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        for name, (module, attribute, _) in self._lazy.items():
            if name.replace("_", "-") == cmd_name.replace("_", "-"):
                found = getattr(importlib.import_module(module), attribute)
                command: click.Command = found if isinstance(found, click.Command) else found(name)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, _, short) in self._lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click would load every command to suggest near matches, but the names suffice.
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, self._lazy, n=2)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(self._lazy)}."
            hint = self._instead.get(name.replace("_", "-"), hint)
            raise click.UsageError(f"Unknown command {name!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)
