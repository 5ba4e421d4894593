"""Blobs that several pushes need: the first one sends, the others mount at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airbyte_ci.oci.digest import Digest
from airbyte_ci.registry.endpoint import Endpoint
from airbyte_ci.registry.shared_blobs import SharedBlobs

BLOB = Digest("a" * 64)
PATIENCE = 60


def _target(number: int) -> Endpoint:
    return Endpoint("registry.example", f"images/{number}")


def test_the_first_push_sends_and_the_others_mount() -> None:
    """All others wait until a repository has the blob, and then mount it without waiting for each other."""
    shared = SharedBlobs()
    sent: list[Endpoint] = []
    mounting = threading.Barrier(7)

    def push(number: int) -> None:
        with shared.turn(_target(number), BLOB) as place:
            if place is None:
                sent.append(_target(number))
                threading.Event().wait(0.05)
            else:
                assert place == sent[0]
                mounting.wait(PATIENCE)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(push, range(8)))
    assert len(sent) == 1
    with shared.turn(_target(5), BLOB) as place:
        assert place == _target(5), "a repository that has the blob needs no mount"


def test_after_a_failure_the_next_push_sends() -> None:
    """A repository that did not get the blob is not a source; neither is one of a registry that lost it."""
    shared = SharedBlobs()
    with pytest.raises(OSError, match="broken"), shared.turn(_target(1), BLOB):
        raise OSError("broken")
    with shared.turn(_target(2), BLOB) as place:
        assert place is None
    assert shared.forget("registry.example")
    assert not shared.forget("registry.example")
    with shared.turn(_target(3), BLOB) as place:
        assert place is None
