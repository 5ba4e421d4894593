"""Building a base image: where it may be built."""

import os
from typing import cast

import pytest

from airbyte_ci.base_images.declaration import declare
from airbyte_ci.base_images.making import build
from airbyte_ci.errors import ImageError
from airbyte_ci.oci.image import Platform
from airbyte_ci.python.environment.tools import Tools


def test_only_declared_platforms_are_built() -> None:
    """On another machine nothing is built, so nothing of it is recorded or locked."""
    here = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    other = "linux/arm64" if here == "amd64" else "linux/amd64"
    document = {"repository": "acme.example/base", "version": "1.0.0", "changelog": "First", "platforms": [other]}
    root = {"root": {"image": f"acme.example/root@sha256:{'a' * 64}"}}
    declared = declare.from_document(document | root, "x")
    # It is refused before any tool of the build is needed.
    with pytest.raises(ImageError, match=f"base:1.0.0 for linux/{here}: the declaration.s platforms are {other}"):
        build.build(declared, cast("Tools", None), Platform("linux", here))
