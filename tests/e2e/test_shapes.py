"""Options that affect an image's bytes: compression, byte code, the date, and the owner of the code."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from airbyte_ci.images import build
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.oci.validate import validate
from tests.e2e.command import Result
from tests.e2e.conftest import Base
from tests.e2e.tiny import Tiny, derived, own_layers

pytestmark = pytest.mark.slow


def _unpacked(place: str, folder: Path) -> dict[str, tarfile.TarInfo]:
    """An image's files as skopeo and tar see them, the layers one over the other."""
    subprocess.run(["skopeo", "copy", "-q", "--dest-decompress", place, f"dir:{folder}"], check=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    found: dict[str, tarfile.TarInfo] = {}
    for layer in manifest["layers"]:
        with tarfile.open(folder / layer["digest"].removeprefix("sha256:")) as archive:
            found |= {member.name.strip("/"): member for member in archive}
    return found


def _answers(result: Result) -> None:
    assert result.code == 0, result.out
    assert result.json["status"] == "ok", result.out


def test_zstd_for_a_user_that_is_not_root(tiny: Tiny, store: Store, base: Base, registry: str, tmp_path: Path) -> None:
    """The same archives in another compression, `spec` answered as that user, whose the code is; others read it."""
    user = derived(store, base.address, tag="user", user="nobody")
    build = (f"--base-image={user}", f"--output=oci:{tmp_path / 'layout'}")
    plain, packed = tiny.build(*build), tiny.build(*build, "--compression=zstd", f"--output=registry:{registry}/zstd")
    _answers(plain)
    _answers(packed)
    assert packed.json["digest"] != plain.json["digest"]
    assert packed.json["diffIds"] == plain.json["diffIds"]
    validate(store, Digest.parse(packed.json["digest"]))
    image = store.image(Digest.parse(packed.json["digest"]))
    own = {layer.media_type for layer in image.manifest.layers[-len(own_layers(store, str(image.digest), user)) :]}
    assert own == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    files = _unpacked(f"oci:{tmp_path / 'layout'}:acme/source-tiny:dev", tmp_path / "dir")
    code = {name: (item.uid, item.gid) for name, item in files.items() if name.startswith("airbyte/integration_code")}
    assert "airbyte/integration_code/main.py" in code
    assert set(code.values()) == {(65534, 65534)}
    assert files[next(name for name in files if name.endswith("tinydep/__init__.py"))].uid == 0
    command = ["skopeo", "inspect", "--tls-verify=false", f"docker://{registry}/zstd/acme/source-tiny:dev"]
    seen = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert seen["Digest"] == packed.json["digest"]
    wrote = tiny.run(
        *("connectors", "--name=source-tiny", "run", "--shell", "--", "-c"),
        "id -un; touch /airbyte/integration_code/state.json && echo ok; touch /root-only 2>/dev/null || echo refused",
    )
    assert wrote.out == "nobody\nok\nrefused\n", wrote.err


def test_byte_code_and_date_are_left_to_people(tiny: Tiny, store: Store, tmp_path: Path) -> None:
    """Without byte code, none is added; the date is in the configuration and in no layer."""
    layout = tmp_path / "layout"
    images = {}
    for name, arguments, environment in (
        ("as it is", (), {}),
        ("no byte code", ("--no-bytecode",), {}),
        ("a date", ("--source-date-epoch=1700000000",), {}),
        ("a date of the environment", (), {"SOURCE_DATE_EPOCH": "1700000000"}),
    ):
        built = tiny.build(*arguments, f"--output=oci:{layout}", env=environment)
        _answers(built)
        images[name] = store.image(Digest.parse(built.json["digest"]))
    dates = {name: image.config.document["created"] for name, image in images.items()}
    assert dates["as it is"] == "1970-01-01T00:00:01Z"
    assert dates["a date"] == "2023-11-14T22:13:20Z"
    assert images["a date"].digest == images["a date of the environment"].digest
    assert images["a date"].config.diff_ids == images["as it is"].config.diff_ids
    assert tiny.build("--no-bytecode", f"--output=oci:{layout}").code == 0
    found: dict[tuple[str, ...], set[str]] = {}
    for arguments in ((), ("--no-bytecode",)):
        assert tiny.build(*arguments, f"--output=oci:{layout}").code == 0
        names = _unpacked(f"oci:{layout}:acme/source-tiny:dev", tmp_path / f"dir{len(found)}")
        found[arguments] = {name for name in names if "dep/__pycache__" in name and name.endswith(".pyc")}
    assert found[("--no-bytecode",)] == set()
    assert any("tinydep" in name for name in found[()])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--source-date-epoch=-1",), 2, "source-date-epoch"),
        (("--source-date-epoch=soon",), 2, "source-date-epoch"),
        (("--source-date-epoch=99999999999999",), 2, "source-date-epoch"),
        (("--compression=lzma",), 2, "lzma"),
        (("--print-plan", "-a", "linux/amd64", "-a", "linux/arm64"), 2, "--print-plan takes one connector"),
        (("-a", "amd64"), 2, "'amd64' is not a platform → write it as linux/amd64 or linux/arm64"),
        (("-a", "linux/foo"), 2, "there are no base images for this platform"),
    ],
)
def test_a_choice_that_is_none_is_told(tiny: Tiny, arguments: tuple[str, ...], code: int, said: str) -> None:
    """Before anything is built."""
    refused = tiny.build(*arguments)
    assert (refused.code, said in refused.err, "Traceback" in refused.err) == (code, True, False), refused.err


def test_an_image_of_more_layers_than_run_is_refused(tiny: Tiny, store: Store, base: Base) -> None:
    """The base's layers count: at the limit it builds, and with one more the error names whose layers they are."""
    assert tiny.build().code == 0
    count = len(tiny.build().json["diffIds"])
    deep = base.address
    for number in range(build.MOST_LAYERS - count):
        deep = derived(store, deep, Entry(path=f"etc/layers/{number}", content=b"x"), tag=f"deep{number}")
    most = tiny.build(f"--base-image={deep}", "--no-verify")
    assert most.code == 0, most.out
    assert len(most.json["diffIds"]) == build.MOST_LAYERS
    deeper = derived(store, deep, Entry(path="etc/layers/more", content=b"x"), tag="deeper")
    refused = tiny.build(f"--base-image={deeper}", "--no-verify")
    assert (refused.code, refused.json["status"]) == (1, "failed")
    assert "would have 126 layers" in refused.json["reason"]
    assert "Docker runs images of at most 125" in refused.json["reason"]
