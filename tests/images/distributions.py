"""Gradle distributions for tests: a class file, jars, and the tar around them, without a JDK."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

NAME = "source-postal"
START = '#!/bin/sh\nexec java $JAVA_OPTS -cp "/airbyte/lib/*" acme.Main "$@"\n'
SPEC = '{"type": "SPEC", "spec": {"connectionSpecification": {"type": "object", "title": "postal"}}}'
CHECK = '{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}'
CATALOG = (
    '{"type": "CATALOG", "catalog": {"streams": [{"name": "letters", "json_schema": {"type": "object"}, '
    '"supported_sync_modes": ["full_refresh"]}]}}'
)
RECORD = '{"type": "RECORD", "record": {"stream": "letters", "data": {"to": "me"}, "emitted_at": 1}}'


def main_class() -> bytes:
    """A class whose `main` prints the text that the resource bundle `answers` has for its first argument.

    The format is that of the Java Virtual Machine Specification, chapter 4; version 49 needs no stack maps.
    """
    pool: list[bytes] = []

    def add(entry: bytes) -> int:
        if entry not in pool:
            pool.append(entry)
        return pool.index(entry) + 1

    def text(value: str) -> int:
        return add(b"\x01" + struct.pack(">H", len(value)) + value.encode())

    def of_class(name: str) -> int:
        return add(b"\x07" + struct.pack(">H", text(name)))

    def member(tag: int, owner: str, name: str, kind: str) -> bytes:
        pair = add(b"\x0c" + struct.pack(">HH", text(name), text(kind)))
        return struct.pack(">H", add(bytes([tag]) + struct.pack(">HH", of_class(owner), pair)))

    bundle, string = "java/util/ResourceBundle", "Ljava/lang/String;"
    code = b"".join(
        (
            b"\xb2" + member(9, "java/lang/System", "out", "Ljava/io/PrintStream;"),  # getstatic
            b"\x13" + struct.pack(">H", add(b"\x08" + struct.pack(">H", text("answers")))),  # ldc_w
            b"\xb8" + member(10, bundle, "getBundle", f"({string})L{bundle};"),  # invokestatic
            b"\x2a\x03\x32",  # aload_0, iconst_0, aaload
            b"\xb6" + member(10, bundle, "getString", f"({string}){string}"),  # invokevirtual
            b"\xb6" + member(10, "java/io/PrintStream", "println", f"({string})V"),
            b"\xb1",  # return
        )
    )
    own, parent = of_class("acme/Main"), of_class("java/lang/Object")
    body = struct.pack(">HHI", 4, 1, len(code)) + code + struct.pack(">HH", 0, 0)
    attribute = struct.pack(">HI", text("Code"), len(body)) + body
    method = struct.pack(">HHHH", 0x0009, text("main"), text(f"([{string})V"), 1) + attribute
    head = struct.pack(">IHHH", 0xCAFEBABE, 0, 49, len(pool) + 1) + b"".join(pool)
    return head + struct.pack(">HHHHHH", 0x0021, own, parent, 0, 0, 1) + method + struct.pack(">H", 0)


def jar(files: Mapping[str, str | bytes]) -> bytes:
    """A jar; the same bytes each time."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def answers(more: Mapping[str, str] | None = None) -> bytes:
    """A third-party jar: what the connector answers, by the option that asks."""
    lines = {"--spec": SPEC, "--check": CHECK, "--discover": CATALOG, "--read": RECORD, **(more or {})}
    return jar({"answers.properties": "".join(f"{key}={value}\n" for key, value in lines.items())})


def files(name: str = NAME, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The files of a distribution that runs: start scripts, own jar, framework, third-party jars."""
    return {
        f"bin/{name}": START.encode(),
        f"bin/{name}.bat": b"@rem\r\n",
        f"lib/io.airbyte.airbyte-integrations.connectors-{name}.jar": jar({"acme/Main.class": main_class()}),
        "lib/airbyte-cdk-core-0.45.1.jar": jar({"cdk.txt": "cdk"}),
        "lib/answers-1.0.jar": answers(),
        "lib/guava-33.0-jre.jar": jar({"guava.txt": "guava"}),
        **(more or {}),
    }


def member(name: str, content: bytes = b"", mode: int = 0o644, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """An entry of a tar; `fields` are those of TarInfo."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    for key, item in fields.items():
        setattr(info, key, item)
    return info, content


def write(path: Path, members: Sequence[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> Path:
    """Writes a tar of these entries, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # the mode is a text
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def distribution(path: Path, contents: Mapping[str, bytes], top: str = NAME, mode: str = "w", **fields: object) -> Path:
    """Writes a distribution as Gradle does: folders too, scripts executable; `fields` are those of each entry."""
    folders = [member(f"{top}{place}", type=tarfile.DIRTYPE, mode=0o755) for place in ("", "/bin", "/lib")]
    entries = [
        member(f"{top}/{name}", content, 0o755 if name.startswith("bin/") else 0o644, **fields)
        for name, content in contents.items()
    ]
    return write(path, [*folders, *entries], mode)
