"""The changes of hooks, and the abilities of this machine, both measured for real."""

from typing import Any

import pytest

from airbyte_ci.dagger import Exec, SetUser, SetVariable, UnsetVariable, WriteFile
from airbyte_ci.doctor import probes
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe import effect
from airbyte_ci.recipe.effect import Effect
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs.tree import Tree

STATUS = "Package: {name}\nStatus: install ok {status}\nVersion: {version}\nDescription: x\n more: Version: 9\n"


def sh(line: str) -> Exec:
    return Exec(("bash", "-c", line))


def status(*packages: tuple[str, str, str]) -> str:
    return "\n".join(STATUS.format(name=name, status=state, version=version) for name, state, version in packages)


def test_the_effect_of_operations_is_what_their_layers_say(own_store: Store, small_image: Image) -> None:
    """Later layers over earlier ones, removed folders as their files, packages, users, settings; mounts not at all."""
    dpkg = "/var/lib/dpkg/status"
    before = (
        WriteFile(dpkg, status(("old", "installed", "1"), ("gone", "installed", "1"), ("rc", "config-files", "1"))),
    )
    after = (
        sh("echo x > /new; echo y > /etc/group; rm -r /usr/lib/data; echo z > /short; mkdir -m 700 /d; ln -s x /l"),
        sh("rm /short; cp /bin/true /d/t; chmod 4755 /d/t; echo app:x:5:5::/:/bin/sh >> /etc/passwd"),
        WriteFile(dpkg, status(("old", "installed", "2"), ("fresh", "installed", "3"))),
        SetVariable("A", "b"),
        UnsetVariable("FROM_IMAGE"),
        SetUser("airbyte"),
        sh("echo x > /dev/udp/192.0.2.7/9; touch /tmp/impure"),
    )
    evaluator = Evaluator(own_store, small_image, timeout=60)
    first, last = evaluator.state(before), evaluator.state((*before, *after))
    found = effect.between(own_store, evaluator.tree(first), first, last)
    assert found.added == ("d/t", "l", "new", "tmp/impure")
    assert found.changed == ("etc/group", "etc/passwd", "var/lib/dpkg/status")
    assert found.removed == ("usr/lib/data/deep/three", "usr/lib/data/one", "usr/lib/data/two")
    assert (found.setuid, found.users) == (("d/t",), ("app",))
    assert found.packages == {"fresh": ("", "3"), "gone": ("1", ""), "old": ("1", "2")}
    assert found.variables == {"A": (None, "b"), "FROM_IMAGE": ("yes", None)}
    assert found.settings == {"User": (None, "airbyte")}
    assert len(found.impure) == 1 and found.size > 10
    assert found.to_json()["packages"]["old"] == ["1", "2"]
    assert effect.between(own_store, evaluator.tree(first), first, first) == Effect()


def test_folders_count_where_somebody_may_write(own_store: Store, small_image: Image) -> None:
    """New empty folders, and those with another mode; a package's listed files are reported separately."""
    record = "d-1.0.dist-info/RECORD,,\nd-1.0.dist-info/METADATA,,\nd.py,,\n"
    after = (
        sh("mkdir -p -m 777 /var/new/deep; chmod 777 /etc; echo x > /tmp/x; mkdir -p /usr/lib/p/d-1.0.dist-info"),
        WriteFile("/usr/lib/p/d-1.0.dist-info/METADATA", "x"),
        WriteFile("/usr/lib/p/d-1.0.dist-info/RECORD", record),
        WriteFile("/usr/lib/p/d.py", "x"),
    )
    evaluator = Evaluator(own_store, small_image, timeout=60)
    first, last = evaluator.state(()), evaluator.state(after)
    found = effect.between(own_store, evaluator.tree(first), first, last)
    assert {*found.added} - {*found.packaged} == {"tmp/x", "var/new/deep/"}
    assert found.changed == ("etc",)
    assert found.python == {"d": ("", "1.0")} and "usr/lib/p/d.py" in found.packaged
    gone = evaluator.state((*after, sh("rm -r /usr/lib/p /tmp/x /var/new; chmod 755 /etc")))
    later = effect.between(own_store, evaluator.tree(last), last, gone)
    assert later.python == {"d": ("1.0", "")} and "usr/lib/p/d.py" in later.packaged
    both = found.followed_by(later)
    assert (both.added, both.python, both.packages) == ((), {}, {})


def test_probes_try_the_real_thing(own_store: Store, small_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that runs these tests everything works; without programs, each probe names the missing one."""
    tried = probes.all_of(own_store, small_tree, None)
    assert [probe.works for probe in tried] == [True] * 5, tried
    monkeypatch.setenv("PATH", "/nonexistent")
    broken: dict[str, Any] = {probe.name: probe for probe in probes.all_of(own_store, small_tree, None)}
    assert not broken["tools"].works and "apt-get install" in broken["tools"].advice
    assert not broken["hook modules"].works and "runc" in broken["hook modules"].detail
