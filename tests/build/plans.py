"""BuildPlans for tests: complete ones, of every kind of part that a plan can have."""

from airbyte_ci.build.plan import BuildPlan, Impure, Source
from airbyte_ci.container.api import Exec, SetVariable
from airbyte_ci.container.hooks import HookRecord
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import LAYER_GZIP, Descriptor, Platform
from airbyte_ci.oci.layer import Layer
from airbyte_ci.oci.reference import parse_pinned
from airbyte_ci.python.environment import Choice
from airbyte_ci.python.lock import FromArchive, FromDirectory, FromGit, FromIndex, LockedFile

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


def a_plan() -> BuildPlan:
    """A plan with a hook on both sides and a package of every origin."""
    return BuildPlan(
        name="source-x",
        repository="acme/source-x",
        version="1.0.0",
        platform=Platform("linux", "amd64"),
        base=BASE,
        base_manifest=Digest("f" * 64),
        python="3.11.2",
        packages=PACKAGES,
        source=Source(Digest("c" * 64), "main.py", "airbyte/integration_code"),
        variables={"REGION": "eu"},
        pre=HookRecord((SetVariable("A", "1"), Exec(("apt-get", "update"))), (("stdout", "", "é\n"),)),
        post=HookRecord((SetVariable("B", "2"),)),
        building=(Exec(("apt-get", "install", "gcc")),),
        impure=(Impure("pre", 1, Layer(Descriptor(LAYER_GZIP, Digest("1" * 64), 7), Digest("2" * 64))),),
    )
