"""What the tests of this room share."""

from tests.checks.repository import repository, template

__all__ = ["repository", "template"]
