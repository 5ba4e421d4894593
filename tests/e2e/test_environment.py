"""`connectors environment`: its output matches a build, and packages that it calls unchanged are unchanged."""

from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.images.plan import BuildPlan
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from tests.e2e.test_trees import _project
from tests.e2e.tiny import Tiny, as_index, derived
from tests.python import sample_wheels

pytestmark = pytest.mark.slow
NAME = ("connectors", "--name=source-tiny")
LIBC = b"GNU C Library (Debian GLIBC 2.36-9+deb12u8) stable release version 2.36.\n"


def _shown(tiny: Tiny, *arguments: str) -> dict[str, Any]:
    """The command's output for each package."""
    said = tiny.run(*NAME, "environment", "--json", *arguments)
    assert said.code == 0, said.err
    return {item["name"]: item for item in said.json}


def _line(tiny: Tiny, name: str, *arguments: str) -> list[str]:
    """A package's line in the table, by columns."""
    said = tiny.run(*NAME, "environment", *arguments)
    assert said.code == 0, said.err
    (line,) = (line for line in said.out.splitlines() if line.startswith(name))
    return [part.strip() for part in line.split("  ") if part.strip()]


def _needy(tiny: Tiny, requires: str) -> str:
    """A wheel on the index that requires something; its line."""
    info = f"Metadata-Version: 2.1\nName: needy\nVersion: 1.0\nRequires-Dist: {requires}\n"
    return tiny.wheel("needy", "1.0", {"needy/__init__.py": "", "needy-1.0.dist-info/METADATA": info})


def test_a_framework_in_work_is_shown_as_it_is(tiny: Tiny) -> None:
    """Its version and folder, as in the plan; a build with it is not the same as one without, nor is an edit."""
    tiny.with_tools()
    framework = _project(tiny.folder.parent / "cdk", "airbyte-cdk", "2.2", '"tinydep>=1"')
    tiny.require(tiny.small(), tiny.wheel("airbyte_cdk", "1.0", {"airbyte_cdk/__init__.py": ""}))
    with_it = f"--use-local-cdk={framework}"
    assert tiny.build("--no-verify").code == 0
    assert _line(tiny, "airbyte-cdk", with_it)[1:4] == [f"2.2 from the folder {framework}", "–", "1.0 from the index"]
    assert _shown(tiny, with_it)["airbyte-cdk"]["differs"] is True
    assert _shown(tiny)["airbyte-cdk"]["differs"] is False
    plan = BuildPlan.parse(tiny.build("--print-plan", with_it).out, "the plan")
    assert [item.version for item in plan.packages if item.name == "airbyte-cdk"] == ["2.2"]
    assert tiny.build("--no-verify", with_it).code == 0
    assert _line(tiny, "airbyte-cdk")[1:4] == ["1.0", "–", f"2.2 from the folder {framework}"]
    assert _line(tiny, "airbyte-cdk", with_it)[3] == "same"
    (framework / "airbyte_cdk/__init__.py").write_text("EDITED = True\n")
    assert _line(tiny, "airbyte-cdk", with_it)[3] == "same version, other files"


def test_the_last_build_of_several_platforms_is_found(tiny: Tiny, store: Store) -> None:
    """Compared is this machine's image among them."""
    libc = Entry(path="usr/lib/aarch64-linux-gnu/libc.so.6", mode=0o755, content=LIBC)
    arm, amd = derived(store, tiny.base, libc, tag="arm", architecture="arm64"), derived(store, tiny.base, tag="amd")
    metadata = tiny.connector() / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace(tiny.base, as_index(store, amd, arm)))
    assert tiny.build("-a", "linux/amd64", "-a", "linux/arm64", "--no-verify").code == 0
    assert {item["lastBuild"] for item in _shown(tiny).values()} == {"1.0"}
    tiny.require(tiny.small("2.0"))
    shown = _shown(tiny)
    assert (shown["tinydep"]["lastBuild"], shown["tinydep"]["differs"]) == ("1.0", True)
    assert _line(tiny, "tinydep")[1:4] == ["2.0", "–", "1.0"]
    assert tiny.build("-a", "linux/arm64", "--no-verify", "--tag=arm").code == 0
    assert _line(tiny, "tinydep", "--tag=arm")[3] == "–"


def test_other_bytes_of_one_version_differ(tiny: Tiny, tmp_path: Path) -> None:
    """A version is not all that there is of a package."""
    assert tiny.build("--no-verify").code == 0
    path = sample_wheels.make(tmp_path, "tinydep", "1.0", {"tinydep/__init__.py": "VERSION = 'other'\n"})
    tiny.require(f"tinydep==1.0 --hash=sha256:{tiny.index.add('tinydep', path.name, path.read_bytes())}\n")
    assert _line(tiny, "tinydep")[1:4] == ["1.0", "–", "same version, another file"]
    assert "1 differ from the last build" in tiny.run(*NAME, "environment").out


def test_requirements_are_explained_by_what_packages_say(tiny: Tiny) -> None:
    """The dependents of a package come from the metadata of the others, before and after a build."""
    tiny.require(tiny.small(), _needy(tiny, "tinydep>=1"))
    for _ in range(2):
        assert {name: item["requiredBy"] for name, item in _shown(tiny).items()} == {
            "bigdep": ["the requirements"],
            "needy": ["the requirements"],
            "tinydep": ["needy"],
        }
        assert tiny.build("--no-verify").code == 0


def test_a_file_of_several_packages_is_told(tiny: Tiny) -> None:
    """With its path and the packages, in text and for machines, also when nothing is built; not where bytes agree."""
    site = "usr/local/lib/python3.11/site-packages"
    same = {"shared/same.py": "A = 1\n"}
    tiny.require(
        tiny.small(),
        tiny.wheel("aaa", "1.0", {**same, "shared/x.py": "A = 1\n"}),
        tiny.wheel("xdep", "1.0", {**same, "shared/x.py": "A = 2\n", "tinydep/__init__.py": "VERSION = 'other'\n"}),
    )
    expected = [
        {"path": f"{site}/shared/same.py", "kept": "xdep", "others": ["aaa"], "differ": False},
        {"path": f"{site}/shared/x.py", "kept": "xdep", "others": ["aaa"], "differ": True},
        {"path": f"{site}/tinydep/__init__.py", "kept": "xdep", "others": ["tinydep"], "differ": True},
    ]
    for unchanged in (False, True):
        built = tiny.build()
        assert (built.code, built.json["unchanged"]) == (0, unchanged), built.err
        assert built.json["collisions"] == expected
        shown = tiny.run(*NAME, "build")
        told = [line.strip() for line in (shown.out + shown.err).splitlines() if "replaces a different file" in line]
        assert told == [
            f"! /{site}/shared/x.py from xdep replaces a different file from aaa",
            f"! /{site}/tinydep/__init__.py from xdep replaces a different file from tinydep",
        ]
    assert '"tinydep": "other"' in tiny.run(*NAME, "run", "--", "spec").out
