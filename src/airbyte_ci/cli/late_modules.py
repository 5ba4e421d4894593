"""Imports modules at their first use that libraries import at the start and few commands use.

The `LazyLoader` of `importlib` would leave its module in `sys.modules`, where another thread could find half of it.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any


class LateModule(ModuleType):
    """Replaces a module in those that imported it, and has the same attributes."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any attribute of a module
        _remove(self)
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def late_modules(known: Mapping[str, Mapping[str, object]]) -> Iterator[None]:
    """Inside the block, importing one of these modules imports a LateModule. It maps a name to attributes known before.

    Modules that were imported before, and imports after the block, are not affected.
    """
    late = [LateModule(name) for name in known if name not in sys.modules]
    for module in late:
        vars(module).update(known[module.__name__])
        sys.modules[module.__name__] = module
    try:
        yield
    finally:
        for module in late:
            _remove(module)


def _remove(module: LateModule) -> None:
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]
