"""BuildPlans for tests: complete ones, of every kind of part that a plan can have."""

from typing import Any

from airbyte_ci.dagger import Exec, SetVariable
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.plan import BuildPlan, Impure, run_settings
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import CREATED, LAYER_GZIP, Descriptor, Platform
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.reference import parse_pinned
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.install import InstallPackages
from airbyte_ci.python.packages.lock import FromArchive, FromDirectory, FromGit, FromIndex, LockedFile

BASE = parse_pinned(f"acme.example/base:1.0.0@sha256:{'a' * 64}")
WHEEL = Choice("a", "1.0", LockedFile("a-1.0-py3-none-any.whl", "b" * 64))
TREE = LockedFile("lib.tree.tar", "c" * 64)
PACKAGES = (
    WHEEL,
    Choice("b", "1.0", LockedFile("b-1.0.tar.gz", "c" * 64), FromIndex("https://index.example/simple/")),
    Choice("lib", "", TREE, FromDirectory("../lib", editable=True, subdirectory="inner")),
    Choice("lib2", "3", TREE, FromGit("https://git.example/lib.git", "d" * 40, requested="main", subdirectory="sub")),
    Choice("lib3", "3", LockedFile("lib3-3-py3-none-any.whl", "e" * 64), FromArchive("wheels/lib3-3-py3-none-any.whl")),
)


CODE = AddCode(Digest("c" * 64), "main.py", "airbyte/integration_code")


def a_plan(**changes: Any) -> BuildPlan:
    """A plan with a hook on both sides and a package of every origin; `changes` are of the parts named here."""
    parts: dict[str, Any] = {
        "before": (SetVariable("A", "1"), Exec(("apt-get", "update"))),
        "install": InstallPackages(PACKAGES, (Exec(("apt-get", "install", "gcc")),)),
        "code": CODE,
        "after": (SetVariable("B", "2"),),
        "name": "source-x",
        "repository": "acme/source-x",
        "version": "1.0.0",
        "platform": Platform("linux", "amd64"),
        "base": BASE,
        "base_manifest": Digest("f" * 64),
        "python": "3.11.2",
        "impure": (Impure(1, Layer(Descriptor(LAYER_GZIP, Digest("1" * 64), 7), Digest("2" * 64))),),
        "variables": {"REGION": "eu"},
        "answers_before": (("stdout", "", "é\n"),),
        "answers_after": (),
        "compression": "gzip",
        "created": CREATED,
    } | changes
    before, install, code, after = (parts.pop(name) for name in ("before", "install", "code", "after"))
    settings = run_settings(code, parts["repository"], parts["version"])
    return BuildPlan(operations=(*before, install, code, *settings, *after), **parts)
