"""BuildKit in a Docker daemon: its result for a Dockerfile and its context."""

import http.client
import io
import json
import socket
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BuiltImage:
    """An image's configuration, and its files by path: mode and content; folders have none."""

    config: dict[str, Any]
    files: dict[str, tuple[int, bytes]]


class Unbuildable(Exception):
    """BuildKit refuses the Dockerfile."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def build(docker: str, context: Path, *, files: bool = False) -> BuiltImage:
    """Returns the result of `docker build` for a folder with a Dockerfile; raises Unbuildable."""
    archive = io.BytesIO()
    # BuildKit does not know a tar that begins with a pax header.
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(context, ".")
    connection = _Connection(docker.removeprefix("unix://"))
    headers = {"Content-Type": "application/x-tar"}
    # Of the API only the second version of a build is BuildKit's.
    connection.request("POST", "/v1.41/build?version=2", archive.getvalue(), headers)
    answers = [json.loads(line) for line in connection.getresponse().read().splitlines()]
    connection.close()
    for answer in answers:
        if error := answer.get("error"):
            raise Unbuildable(error)
    image = next(answer["aux"]["ID"] for answer in answers if answer.get("id") == "moby.image.id")
    config = json.loads(_docker(docker, "image", "inspect", image))[0]["Config"]
    return BuiltImage(config, _files(docker, image) if files else {})


def _files(docker: str, image: str) -> dict[str, tuple[int, bytes]]:
    """The files of the layers; an image that only copies removes none."""
    found: dict[str, tuple[int, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(_docker(docker, "image", "save", image))) as saved:
        manifest = saved.extractfile("manifest.json")
        assert manifest is not None
        for name in json.load(manifest)[0]["Layers"]:
            with tarfile.open(fileobj=saved.extractfile(name)) as layer:
                for item in layer:
                    if file := layer.extractfile(item):
                        found[f"/{item.name}"] = (item.mode & 0o7777, file.read())
    return found


def _docker(docker: str, *arguments: str) -> bytes:
    return subprocess.run(["docker", "--host", docker, *arguments], capture_output=True, check=True).stdout
