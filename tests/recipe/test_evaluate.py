"""Evaluation: operations become an image once, and the image is what other tools take it for."""

import asyncio
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.dagger import (
    Container,
    Exec,
    MountCache,
    Operation,
    Question,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
    UnsetLabel,
    UnsetVariable,
    WriteFile,
)
from airbyte_ci.dagger.record import value
from airbyte_ci.errors import CommandFailed, HookError, ImageError, SandboxError
from airbyte_ci.hooks.conversation import MODULE, Conversation
from airbyte_ci.images.outputs import Result, write_layout
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import DOCKER_LAYER_GZIP, LAYER_GZIP, Descriptor, Image, ImageConfig, Manifest
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.store import caches
from airbyte_ci.oci.store.collect import Policy, collect
from airbyte_ci.oci.store.store import Store
from airbyte_ci.oci.tar import Entry
from airbyte_ci.recipe.evaluate import CREATED, Evaluator
from airbyte_ci.recipe.operations import AddLayer
from airbyte_ci.recipe.state import AddedLayer
from airbyte_ci.sandbox import lending


@pytest.fixture
def evaluator(own_store: Store, small_image: Image) -> Evaluator:
    return Evaluator(own_store, small_image, timeout=60)


def sh(line: str, **fields: Any) -> Exec:
    return Exec(("bash", "-c", line), **fields)


def stdout(evaluator: Evaluator, *operations: Operation) -> str:
    text: str = evaluator.state(operations).output.stdout
    return text


def layer_names(store: Store, image: Image) -> list[str]:
    """The paths in an image's newest layer."""
    import gzip

    data = gzip.decompress(store.read(image.manifest.layers[-1].digest))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getnames()


# --- operations ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operations", "execution"),
    [
        ([], {}),
        ([SetVariable("A", "b")], {"Env": ["PATH=/bin", "FROM_IMAGE=yes", "A=b"]}),
        ([SetVariable("FROM_IMAGE", "no")], {"Env": ["PATH=/bin", "FROM_IMAGE=no"]}),
        (
            [SetVariable("P", "$PATH:${FROM_IMAGE}:$NONE", True)],
            {"Env": ["PATH=/bin", "FROM_IMAGE=yes", "P=/bin:yes:$NONE"]},
        ),
        ([SetVariable("P", "$PATH")], {"Env": ["PATH=/bin", "FROM_IMAGE=yes", "P=$PATH"]}),
        ([UnsetVariable("FROM_IMAGE")], {"Env": ["PATH=/bin"]}),
        ([UnsetVariable("NONE")], {}),
        ([SetUser("airbyte")], {"User": "airbyte"}),
        ([SetUser("airbyte"), SetUser("")], {}),
        ([SetWorkdir("/a"), SetWorkdir("b/../c")], {"WorkingDir": "/a/c"}),
        ([SetEntrypoint(("a", "b")), SetDefaultArguments(("c",))], {"Entrypoint": ["a", "b"], "Cmd": ["c"]}),
        ([SetEntrypoint(("a",)), SetEntrypoint(())], {}),
        ([SetLabel("x", "y")], {"Labels": {"maker": "tests", "x": "y"}}),
        ([UnsetLabel("maker")], {"Labels": None}),
        ([UnsetLabel("none")], {}),
    ],
    ids=repr,
)
def test_settings_need_no_layer(
    own_store: Store, small_image: Image, evaluator: Evaluator, operations: list[Operation], execution: dict[str, Any]
) -> None:
    """How an image runs is its configuration: the layers stay the base's, and none is unpacked."""
    image = evaluator.image(operations, {})
    expected = {**small_image.config.execution, **execution}
    assert image.config.execution == {key: value for key, value in expected.items() if value is not None}
    assert image.manifest.layers == small_image.manifest.layers
    assert list((own_store.root / "snapshots").iterdir()) == []


def test_the_order_of_operations_is_kept(evaluator: Evaluator) -> None:
    """Each command sees the settings before it and not those after it."""
    operations: list[Operation] = [
        SetVariable("STEP", "1"),
        SetUser("airbyte"),
        SetWorkdir("/tmp"),
        sh("echo $STEP $(id -u):$(id -g):$(id -G) $PWD $HOME $FROM_IMAGE > seen; cat seen"),
        SetVariable("STEP", "2"),
        SetUser(""),
        SetWorkdir("/"),
        sh("echo $STEP $(id -u) $PWD $HOME; stat -c %u:%g /tmp/seen"),
    ]
    assert stdout(evaluator, *operations[:4]) == "1 1000:1001:1001 1002 /tmp /home/airbyte yes\n"
    assert stdout(evaluator, *operations) == "2 0 / /root\n1000:1001\n"


def test_a_command_gets_its_input_and_entrypoint(evaluator: Evaluator) -> None:
    """stdin as given; the entrypoint precedes the command only on request."""
    assert stdout(evaluator, Exec(("cat",), "typed")) == "typed"
    entrypoint = SetEntrypoint(("bash", "-c", "echo entrypoint $0"))
    assert stdout(evaluator, entrypoint, Exec(("word",), use_entrypoint=True)) == "entrypoint word\n"


def test_files_are_written_with_mode_and_owner(own_store: Store, evaluator: Evaluator) -> None:
    """Relative to the working directory; the owner is looked up in the image."""
    operations = (SetWorkdir("/opt/x"), WriteFile("../y/f", "é\n", 0o640, "airbyte:extra"), WriteFile("/g", "", 0o755))
    assert stdout(evaluator, *operations, sh("cat /opt/y/f; stat -c '%a %u %g' /opt/y/f /g")) == (
        "é\n640 1000 1002\n755 0 0\n"
    )
    assert layer_names(own_store, evaluator.image(operations[:2], {})) == ["opt/y/f"]


@pytest.mark.parametrize(
    "operation",
    [
        WriteFile("/", "x"),
        WriteFile(".", "x"),
        WriteFile("/x\0y", "x"),
        WriteFile("/x", "x", -1),
        WriteFile("/x", "x", 0o10000),
        WriteFile("/x", "x", owner="nobody-of-the-kind"),
        SetWorkdir("a\0b"),
    ],
    ids=repr,
)
def test_a_file_that_cannot_be_is_a_sandbox_error(evaluator: Evaluator, operation: Operation) -> None:
    """Before a broken layer is created."""
    with pytest.raises(SandboxError):
        evaluator.image([operation], {})


def test_finished_layers_are_put_on_top(own_store: Store, evaluator: Evaluator) -> None:
    """With the comment in the history; commands see their files."""
    layer = layer_of(own_store, [Entry(path="added", content=b"layer")])
    operation = AddLayer(layer, "copy something")
    image = evaluator.image([operation], {})
    assert image.manifest.layers[-1] == layer.descriptor
    assert image.config.document["history"][-1]["created_by"] == "copy something"
    assert stdout(evaluator, operation, Exec(("cat", "/added"))) == "layer"


@value
class AddFiles(Operation):
    """An operation that the evaluator does not know."""

    what: str


def test_an_operation_of_another_room_is_evaluated_by_its_handler(own_store: Store, small_image: Image) -> None:
    """Once; commands see its files, its layers are the image's, and what comes later depends on what it gave."""
    asked = []
    content = b"first"

    def add(_: Evaluator, before: Sequence[Operation], operation: Operation) -> tuple[AddedLayer, ...]:
        assert isinstance(operation, AddFiles)
        asked.append(tuple(before))
        return (AddedLayer(layer_of(own_store, [Entry(path="added", content=content)]), f"add {operation.what}"),)

    clock = sh("cat /added; date +%s.%N")
    below, operation = SetVariable("A", "b"), AddFiles("files")
    evaluator = Evaluator(own_store, small_image, handlers={AddFiles: add})
    first = stdout(evaluator, below, operation, clock)
    image = evaluator.image([below, operation], {})
    assert first.startswith("first") and asked == [(below,)]
    assert image.config.document["history"][-1]["created_by"] == "add files"
    assert stdout(Evaluator(own_store, small_image, handlers={AddFiles: add}), below, operation, clock) == first
    content = b"other"
    changed = stdout(Evaluator(own_store, small_image, handlers={AddFiles: add}), below, operation, clock)
    assert changed.startswith("other")
    with pytest.raises(AssertionError, match="no handler was given for AddFiles"):
        Evaluator(own_store, small_image).state([operation])


# --- commands are remembered -----------------------------------------------------------------------


def test_a_command_runs_once(own_store: Store, small_image: Image, evaluator: Evaluator) -> None:
    """Neither the same evaluator nor another one runs it again; other operations before it do."""
    clock = sh("date +%s.%N")
    first = stdout(evaluator, clock)
    assert stdout(evaluator, clock) == first
    again = Evaluator(Store(own_store.root), small_image)
    assert stdout(again, clock) == first
    assert again.image([clock], {}) == evaluator.image([clock], {})
    assert stdout(again, SetVariable("A", "b"), clock) != first
    assert stdout(again, clock, clock) != first


def test_the_first_run_is_kept_when_only_the_raw_files_are_gone(
    own_store: Store, small_image: Image, evaluator: Evaluator
) -> None:
    """A command's result is an input from then on: layer and output, even if it runs again for its raw files."""
    import shutil

    clock = sh("date +%s.%N | tee /when 2>/dev/null || date +%s.%N > /when; cat /when")
    image, said = evaluator.image([clock], {}), stdout(evaluator, clock)
    for folder in (own_store.root / "snapshots").glob("exec-*"):
        shutil.rmtree(folder)
    again = Evaluator(own_store, small_image)
    assert again.image([clock], {}) == image
    assert stdout(again, clock) == said


def test_a_lost_layer_is_made_again(own_store: Store, small_image: Image, evaluator: Evaluator) -> None:
    """A cached command whose blob is gone runs again, and the image is complete."""
    operation = sh("echo x > /x")
    image = evaluator.image([operation], {})
    own_store.path(image.manifest.layers[-1].digest).unlink()
    again = Evaluator(own_store, small_image).image([operation], {})
    assert own_store.read(again.manifest.layers[-1].digest)
    assert again == image


def test_the_same_operations_give_the_same_image_in_another_store(
    tmp_path: Path, small_store: Store, small_image: Image, evaluator: Evaluator
) -> None:
    """Digests do not depend on the store, its place or what it held."""
    import shutil

    operations = [
        sh("mkdir /d; for n in 3 1 2; do echo $n > /d/$n; done; ln /d/1 /d/4; chmod 750 /d; rm /usr/lib/data/one")
    ]
    shutil.copytree(small_store.root / "blobs", tmp_path / "other" / "blobs")
    other = Evaluator(Store(tmp_path / "other"), small_image)
    assert other.image(operations, {}) == evaluator.image(operations, {})


def test_a_failed_command_is_not_remembered(evaluator: Evaluator, own_store: Store) -> None:
    """It may have been the network's fault; and nothing of it is kept."""
    for _ in range(2):
        with pytest.raises(CommandFailed):
            evaluator.state([sh("echo x > /x; exit 1")])
    assert list((own_store.root / "snapshots").glob("exec-*")) == []
    assert list((own_store.root / "scratch").iterdir()) == []


# --- what commands leave ---------------------------------------------------------------------------


def test_scrubbed_files_are_there_for_the_next_command_only(own_store: Store, evaluator: Evaluator) -> None:
    """`apt-get update` and `apt-get install` may be two steps, and the lists are not in the image."""
    update = sh("mkdir -p /var/lib/apt/lists; echo packages > /var/lib/apt/lists/main; echo log > /kept")
    install = sh("cat /var/lib/apt/lists/main; echo x > /installed")
    assert stdout(evaluator, update, install) == "packages\n"
    names = layer_names(own_store, evaluator.image([update], {}))
    assert "kept" in names and "var/lib/apt/lists/main" not in names
    assert layer_names(own_store, evaluator.image([update, install], {})) == ["installed"]


def test_a_command_that_changes_nothing_adds_no_layer(evaluator: Evaluator) -> None:
    """It has no mounted file, no touched folder and no mount point."""
    image = evaluator.image(
        [sh("cat /etc/passwd /etc/resolv.conf > /dev/null; touch /etc; echo x > /tmp/f; rm /tmp/f")], {}
    )
    assert image.layers == evaluator.image([], {}).layers
    assert image.config.document["history"][-1]["empty_layer"] is True


def test_a_failure_says_what_ran_how_it_ended_and_what_it_said_last(evaluator: Evaluator) -> None:
    """The command, the exit code, and the last lines of stderr, or of stdout where that is silent."""
    line = "for n in $(echo 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20); do echo line $n >&2; done; exit 42"
    with pytest.raises(CommandFailed) as caught:
        evaluator.state([sh(line)])
    assert caught.value.returncode == 42
    message = caught.value.message
    assert "bash -c for n in" in message and "exit code 42" in message
    assert message.endswith("line 19\n    line 20") and "line 5\n" not in message
    with pytest.raises(CommandFailed, match="only on stdout"):
        evaluator.state([sh("echo only on stdout; exit 1")])


def test_a_program_that_is_not_there_is_named(evaluator: Evaluator) -> None:
    """Not an exit code: it never ran."""
    with pytest.raises(SandboxError, match="nothing-of-the-kind") as caught:
        evaluator.state([Exec(("nothing-of-the-kind",))])
    assert not isinstance(caught.value, CommandFailed)


def test_a_command_that_never_ends_is_ended(own_store: Store, small_image: Image) -> None:
    """At the evaluator's time limit."""
    with pytest.raises(SandboxError, match=r"did not finish in 0\.5 s"):
        Evaluator(own_store, small_image, timeout=0.5).state([Exec(("sleep", "600"))])


# --- questions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "argument", "answer"),
    [
        ("stdout", "", "out\n"),
        ("stderr", "", "err\n"),
        ("exit_code", "", 0),
        ("sync", "", True),
        ("variable", "FROM_IMAGE", "yes"),
        ("variable", "NONE", None),
        ("user", "", "airbyte"),
        ("workdir", "", "/tmp"),
        ("entrypoint", "", []),
        ("label", "maker", "tests"),
        ("label", "none", None),
        ("platform", "", "linux/amd64"),
        ("file", "made", "content\n"),
        ("file", "/lib-link/data/one", "one"),
        ("entries", "/usr/lib/data", ["deep", "one", "two"]),
        ("entries", "/tmp", ["made"]),
    ],
)
def test_questions_are_answered_from_the_recipe_so_far(
    small_store: Store, small_image: Image, about: str, argument: str, answer: Any
) -> None:
    """Output of the last command, settings, and files through the image's own links."""
    before = (SetUser("airbyte"),)
    recipe = (SetWorkdir("/tmp"), sh("echo out; echo err >&2; echo content > made"))
    evaluator = Evaluator(small_store, small_image, timeout=60)
    assert evaluator.answer(before, Question(about, recipe, argument)) == answer


@pytest.mark.parametrize(
    ("about", "argument"),
    [
        ("file", "/nothing"),
        ("file", "/etc"),
        ("file", "n" * 300),
        ("entries", "/etc/passwd"),
        ("entries", "/nothing"),
        ("color", ""),
    ],
)
def test_a_question_without_an_answer_is_a_hook_error(evaluator: Evaluator, about: str, argument: str) -> None:
    """A hook that goes on without it would build another image."""
    with pytest.raises(HookError):
        evaluator.answer((), Question(about, (), argument))


def test_a_real_hook_converses_with_a_real_image(tmp_path: Path, evaluator: Evaluator) -> None:
    """Module, pipe, sandbox and image together: the hook branches on what a command printed in the image."""
    module = tmp_path / MODULE
    module.write_text(
        "async def pre_connector_install(c):\n"
        "    who = await c.with_exec(['id', '-u']).stdout()\n"
        "    c = c.with_exec(['bash', '-c', f'echo {who.strip()} > /who'])\n"
        "    return c.with_label('who', await c.file('/who').contents())\n"
    )
    with Conversation(module=module, passed={}) as talk:
        record = talk.call("pre_connector_install", lambda question: evaluator.answer((), question))
    image = evaluator.image(record.operations, {})
    assert image.config.execution["Labels"]["who"] == "0\n"
    assert [answer[2] for answer in record.answers] == ["0\n", "0\n"]


def test_the_login_of_a_proxy_is_in_no_answer(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands have it to go out, and answers are recorded; a URL without a login stays as it is."""
    monkeypatch.setenv("https_proxy", "http://user:p%40ssword@proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    command = sh("echo $https_proxy $HTTP_PROXY user:p@ssword; echo dXNlcjpwQHNzd29yZA== p@ssword >&2")
    answer = partial(evaluator.answer, ())
    assert answer(Question("stdout", (command,))) == "http://***@proxy.example:3128 http://proxy.example:3128 ***\n"
    assert answer(Question("stderr", (command,))) == "*** ***\n"
    recorded = lending.without_logins({"IMAGE_PROXY": "http://u:p@h:1/ http://h/a:b@c", "X": "a:b@c"})
    assert recorded == {"IMAGE_PROXY": "http://***@h:1/ http://h/a:b@c", "X": "a:b@c"}


@pytest.mark.parametrize("caught", [True, False])
def test_a_failure_that_a_hook_caught_is_kept(
    tmp_path: Path, own_store: Store, small_image: Image, *, caught: bool
) -> None:
    """A later build, whose command might end otherwise, takes the same way; one that ended a build is tried again."""
    module = tmp_path / MODULE
    module.write_text(
        "async def pre_connector_install(c):\n"
        "    try:\n"
        "        await c.with_mounted_cache('/c', __import__('dagger').dag.cache_volume('k'))"
        ".with_exec(['bash', '-c', 'echo x >> /c/n; echo why >&2; exit 4']).sync()\n"
        f"    except {'Exception' if caught else 'KeyError'} as error:\n"
        "        return c.with_label('code', f'{error.exit_code} {error.stderr}')\n"
    )
    for _ in range(2):
        evaluator = Evaluator(own_store, small_image, timeout=60)
        with Conversation(module=module, passed={}) as talk:
            try:
                record = talk.call("pre_connector_install", partial(evaluator.answer, ()))
            except HookError as error:
                assert not caught and "exit code 4\n    why" in error.message
                continue
            evaluator.keep_failures()
        assert caught and record.operations == (SetLabel("code", "4 why\n"),)
    (runs,) = (own_store.root / "caches" / "named").glob("*/n")
    assert runs.read_text() == ("x\n" if caught else "x\nx\n")


def test_a_folder_that_is_mounted_is_marked_as_used(tmp_path: Path, own_store: Store, small_image: Image) -> None:
    """A collection keeps it while its session lives, regardless of the times that commands set; afterwards it is
    removed.
    """
    module = tmp_path / MODULE
    module.write_text(
        "async def pre_connector_install(c):\n"
        "    cache = __import__('dagger').dag.cache_volume('k')\n"
        "    for word in ('first', 'again'):\n"
        "        c = c.with_mounted_cache('/c', cache).with_exec(['bash', '-c', f'echo {word} > /c/n'])\n"
        "    return c\n"
    )
    evaluator = Evaluator(Store(own_store.root), small_image, timeout=60)
    with Conversation(module=module, passed={}) as talk:
        operations = talk.call("pre_connector_install", partial(evaluator.answer, ())).operations
    evaluator.image(operations[: len(operations) // 2], {})
    (file,) = (own_store.root / "caches" / "named").glob("*/n")
    for path in (file, file.parent, caches.lock_of(file.parent)):
        os.utime(path, (0, 0))
    evaluator.image(operations, {})
    for path in (file, file.parent):
        os.utime(path, (0, 0))
    collect(own_store, Policy(older_than=1), now=time.time() + 100)
    assert file.exists()
    del evaluator  # and with it its use of the store
    collect(own_store, Policy(older_than=1), now=time.time() + 100)
    assert not file.parent.exists()


def test_caches_belong_to_one_connector(own_store: Store, small_image: Image) -> None:
    """Another connector cannot read the files that a command writes into a cache, even with the same commands."""
    cache = MountCache("/c", "shared by its name")
    plant = (cache, sh("echo planted > /c/n"))
    look = (cache, sh("cat /c/n > /found 2> /dev/null; true"))
    one = Evaluator(own_store, small_image, timeout=60, owner="one")
    one.image(plant, {})
    for owner, found in (("one", b"planted\n"), ("other", b"")):
        evaluator = Evaluator(own_store, small_image, timeout=60, owner=owner)
        assert evaluator.tree(evaluator.state(look)).read("found") == found


# --- the image -------------------------------------------------------------------------------------


OPERATIONS: Sequence[Operation] = (
    sh("mkdir -p /opt/app; echo code > /opt/app/main; chmod 755 /opt/app/main; ln /opt/app/main /opt/app/link"),
    sh("rm -r /usr/lib/data"),
    WriteFile("/opt/app/conf", "x"),
    SetLabel("io.airbyte.name", "airbyte/source-x"),
    SetEntrypoint(("/opt/app/main",)),
)


def test_digests_are_those_of_the_bytes(own_store: Store, small_image: Image, evaluator: Evaluator) -> None:
    """Manifest, configuration, layers and diffIDs, recomputed; one history entry and diffID for each added layer."""
    import gzip

    image = evaluator.image(OPERATIONS, {"a": "b"})
    assert own_store.image(image.digest) == image
    assert Digest.of(image.manifest.raw) == image.digest
    assert image.manifest.config.digest == Digest.of(image.config.raw)
    for descriptor, diff_id in image.layers:
        blob = own_store.read(descriptor.digest)
        assert (len(blob), Digest.of(gzip.decompress(blob))) == (descriptor.size, diff_id)
    assert image.manifest.layers[:1] == small_image.manifest.layers
    document = image.config.document
    assert document["created"] == CREATED
    assert [entry["created_by"].split(" ")[0] for entry in document["history"]] == [
        "tests",
        "with_exec",
        "with_exec",
        "with_new_file",
    ]
    assert image.manifest.annotations == {"a": "b"}


def test_other_tools_read_the_image(tmp_path: Path, own_store: Store, evaluator: Evaluator) -> None:
    """skopeo finds the configuration, umoci unpacks the file system that the commands saw."""
    image = evaluator.image(OPERATIONS, {})
    layout = tmp_path / "layout"
    write_layout(own_store, Result((image,)), layout, "airbyte/source-x:dev")
    write_layout(own_store, Result((image,)), layout, "x")
    inspected = subprocess.run(["skopeo", "inspect", f"oci:{layout}:x"], capture_output=True, check=True).stdout
    found = json.loads(inspected)
    assert found["Digest"] == str(image.digest)
    assert found["Labels"] == {"maker": "tests", "io.airbyte.name": "airbyte/source-x"}
    bundle = tmp_path / "bundle"
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:x", bundle], capture_output=True, check=True)
    root = bundle / "rootfs"
    assert (root / "opt/app/main").read_text() == "code\n"
    assert (root / "opt/app/main").stat().st_ino == (root / "opt/app/link").stat().st_ino
    assert (root / "opt/app/main").stat().st_mode & 0o7777 == 0o755
    assert (root / "opt/app/conf").read_text() == "x"
    assert not (root / "usr/lib/data").exists()
    assert (root / "usr/lib/su").stat().st_mode & 0o7777 == 0o4755
    unpacked = {str(path.relative_to(root)) for path in root.rglob("*")}
    tree = evaluator.tree(evaluator.state(OPERATIONS))
    ours = {node.path for node in tree.walk("")}
    # Runtime mount points (/proc, /dev …) and mounts are in the raw files of a command, not in the image.
    lent = ("proc", "dev", "sys", ".airbyte-ci", "etc")
    assert {path for path in ours - unpacked if path.partition("/")[0] not in lent} == set()
    assert unpacked - ours == set()


def test_the_bases_own_settings_and_layers_survive(own_store: Store, small_image: Image) -> None:
    """Unknown keys of its configuration stay; Docker's name for a gzipped layer becomes the OCI one."""
    document = {
        **small_image.config.document,
        "variant": "v2",
        "x-unknown": {"a": 1},
        "config": {**small_image.config.execution, "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGINT", "Shell": []},
    }
    config = ImageConfig.make(document)
    layers = tuple(replace(layer, media_type=DOCKER_LAYER_GZIP) for layer in small_image.manifest.layers)
    base = own_store.put_image(Manifest.make(config.descriptor, layers, {}), config)
    image = Evaluator(own_store, base).image([SetUser("airbyte")], {})
    assert [layer.media_type for layer in image.manifest.layers] == [LAYER_GZIP]
    assert image.config.document["variant"] == "v2"
    assert image.config.document["x-unknown"] == {"a": 1}
    assert image.config.execution["ExposedPorts"] == {"80/tcp": {}}
    assert image.config.execution["StopSignal"] == "SIGINT"


def test_a_base_whose_layers_and_diff_ids_do_not_agree_is_an_image_error(own_store: Store, small_image: Image) -> None:
    """Before anything is unpacked or run."""
    extra = (*small_image.manifest.layers, Descriptor(LAYER_GZIP, Digest.of(b""), 0))
    base = own_store.put_image(Manifest.make(small_image.config.descriptor, extra, {}), small_image.config)
    with pytest.raises(ImageError, match="2 layers but 1 diffIDs"):
        Evaluator(own_store, base).state([Exec(("true",))])


def test_a_recipe_is_the_same_whoever_wrote_it(evaluator: Evaluator) -> None:
    """Container and operations are one thing: the Dagger-shaped front only collects them."""

    def ask(question: Question) -> Any:
        return evaluator.answer((), question)

    container = Container((), ask).with_env_variable("A", "b").with_exec(["bash", "-c", "echo $A"])
    assert asyncio.run(container.stdout()) == "b\n" == stdout(evaluator, *container.operations)
