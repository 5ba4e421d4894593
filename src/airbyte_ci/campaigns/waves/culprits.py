"""Finds which parts of a change fail, by trying them apart."""

from collections.abc import Callable, Sequence


def find(parts: Sequence[str], fails: Callable[[Sequence[str]], bool]) -> tuple[str, ...]:
    """Returns the parts that fail alone; `fails` tries a change with these parts only. The whole is known to fail.

    Groups that succeed are not tried further, so that one bad part of n needs about 2·log₂(n) trials. If no part fails
    alone, all parts of the smallest failing group are returned: they fail together.
    """
    if len(parts) <= 1:
        return tuple(parts)
    middle = len(parts) // 2
    found = [find(half, fails) for half in (parts[:middle], parts[middle:]) if fails(half)]
    return tuple(part for half in found for part in half) or tuple(parts)
