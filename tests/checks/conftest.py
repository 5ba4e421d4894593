"""Shared fixtures of the checks' tests."""

from tests.checks.repository import repository, template

__all__ = ["repository", "template"]
