"""Files, folders, mounts, caches and secrets of hooks: from the API through the pipe to a real image."""

import gzip
import io
import json
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airbyte_ci.dagger import to_json
from airbyte_ci.errors import CommandFailed, HookError, SandboxError
from airbyte_ci.hooks.conversation import MODULE, Conversation, HookRecord
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.store.store import Store
from airbyte_ci.recipe.evaluate import Evaluator

HEADER = "import dagger\nfrom dagger import ReturnType, dag\nasync def pre_connector_install(c):\n"
Hook = Callable[[str], tuple[HookRecord, Image]]


@pytest.fixture
def evaluator(own_store: Store, small_image: Image) -> Evaluator:
    return Evaluator(own_store, small_image, timeout=60)


@pytest.fixture
def hook(tmp_path: Path, evaluator: Evaluator) -> Hook:
    """Runs the body of a hook to its image."""

    def run(body: str) -> tuple[HookRecord, Image]:
        module = tmp_path / "connector" / MODULE
        module.parent.mkdir(exist_ok=True)
        (module.parent / "data").mkdir(exist_ok=True)
        (module.parent / "data" / "tool.sh").write_text("#!/bin/sh\necho tool\n")
        (module.parent / "data" / "tool.sh").chmod(0o755)
        (module.parent / "data" / "notes.txt").write_text("notes")
        module.write_text(HEADER + textwrap.indent(textwrap.dedent(body), "    "))
        with Conversation(module=module, passed={}, timeout=60) as talk:
            record = talk.call("pre_connector_install", lambda question: evaluator.answer((), question))
        return record, evaluator.image(record.operations, {})

    return run


def files(store: Store, image: Image, base: Image) -> dict[str, tuple[str, int, int, str]]:
    """Path → kind, mode, owner and text of what the layers on top of the base hold, later ones over earlier ones."""
    found: dict[str, tuple[str, int, int, str]] = {}
    for descriptor in image.manifest.layers[len(base.manifest.layers) :]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(store.read(descriptor.digest)))) as archive:
            for member in archive:
                data = archive.extractfile(member) if member.isfile() else None
                kind = "link" if member.issym() else "dir" if member.isdir() else "file"
                text = member.linkname if member.issym() else data.read().decode() if data else ""
                found[member.name] = (kind, member.mode, member.uid, text)
    return found


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # The connector's folder, whole, chosen, and one file of it.
        (
            "return c.with_directory('/opt/d', dag.host().directory('data'))",
            {"opt/d/tool.sh": 0o755, "opt/d/notes.txt": 0o644},
        ),
        ("return c.with_directory('/opt', dag.host().directory('data'), exclude=['*.sh'])", {"opt/notes.txt": 0o644}),
        (
            "return c.with_directory('/opt', directory=dag.host().directory('.', include=['data/*.txt']))",
            {"opt/data": 0o755, "opt/data/notes.txt": 0o644},
        ),
        ("return c.with_file('/bin/', dag.host().file('data/tool.sh'), 0o700, 'airbyte')", {"bin/tool.sh": 0o700}),
        # Out of the image itself, as it was then.
        (
            "before = c.directory('/usr/lib/data')\nreturn c.with_exec(['rm', '-r', '/usr/lib/data'])"
            ".with_directory('/opt', before)",
            {
                "usr": 0o755,
                "usr/lib": 0o755,
                "usr/lib/.wh.data": 0,
                "opt/one": 0o644,
                "opt/two": 0o644,
                "opt/deep": 0o755,
                "opt/deep/three": 0o644,
            },
        ),
        (
            "return c.with_files('/opt', [c.file('/etc/passwd'), c.file('/etc/group')])",
            {"opt/passwd": 0o644, "opt/group": 0o644},
        ),
        # Put together.
        (
            "d = dag.directory().with_new_file('a/b', 'x').with_new_directory('e', 0o700).with_symlink("
            "'b', 'a/l')\nreturn c.with_directory('/z', d.without_file('a/b').with_new_file('a/c', 'y'))",
            {"z/a/l": 0o777, "z/a/c": 0o644, "z/e": 0o700},
        ),
        (
            "d = dag.directory().with_directory('in', c.directory('/usr/lib/data').directory('deep'))\n"
            "return c.with_file('/f', d.file('in/three'))",
            {"f": 0o644},
        ),
        # Taken away.
        (
            "return c.without_file('/usr/lib/data/one').without_directory("
            "'/usr/lib/data/deep').without_file('/nothing')",
            {"usr/lib/data/.wh.one": 0, "usr/lib/data/.wh.deep": 0},
        ),
        (
            "return c.without_files(['/usr/lib/data/*'])",
            {"usr/lib/data/.wh.one": 0, "usr/lib/data/.wh.two": 0, "usr/lib/data/.wh.deep": 0},
        ),
        (
            "return c.with_symlink('/bin/bash', '/bin/b').with_env_variable('W', 'new').with_new_file("
            "'/${W}/f', 'x', expand=True)",
            {"bin/b": 0o777, "new/f": 0o644},
        ),
        # What a command prints, as files.
        (
            "return c.with_exec(['bash', '-c', 'echo out; echo err >&2'], redirect_stdout='/o', redirect_stderr='/e')",
            {"o": 0o644, "e": 0o644},
        ),
        # Mounts are for commands only; the next command sees their changes, and the image does not have them.
        (
            "m = c.with_mounted_directory('/usr/lib/data', dag.directory().with_new_file('m', '1'))\n"
            "m = m.with_exec(['bash', '-c', 'ls /usr/lib/data > /seen; echo 2 > /usr/lib/data/n'])\n"
            "assert sorted(await m.directory('/usr/lib/data').entries()) == ['m', 'n']\n"
            "assert await m.mounts() == ['/usr/lib/data']\n"
            "assert await m.file('/seen').contents() == 'm\\n'\n"
            "return m.without_mount('/usr/lib/data').with_exec(['bash', '-c', 'ls /usr/lib/data > /after'])",
            {"seen": 0o644, "after": 0o644},
        ),
        ("return c.with_mounted_file('/x/f', dag.file('f', 'text')).with_exec(['cp', '/x/f', '/got'])", {"got": 0o644}),
        ("return c.with_mounted_temp('/t').with_exec(['bash', '-c', 'echo x > /t/f; ls /t > /got'])", {"got": 0o644}),
    ],
)
def test_files_come_where_they_are_put(
    hook: Hook, own_store: Store, small_image: Image, body: str, expected: dict[str, int]
) -> None:
    """Paths and modes of the layers on top, for each way to put, take and remove."""
    _, image = hook(body)
    assert {path: mode for path, (_, mode, _, _) in files(own_store, image, small_image).items()} == expected


def test_what_is_unmounted_shows_again(hook: Hook, own_store: Store, small_image: Image) -> None:
    """A mount hides what the image has at its place, until it is taken away."""
    body = """
    m = c.with_mounted_directory('/usr/lib/data', dag.directory().with_new_file('m', '1'))
    m = m.with_exec(['ls', '/usr/lib/data'], redirect_stdout='/mounted').without_mount('/usr/lib/data')
    return m.with_exec(['ls', '/usr/lib/data'], redirect_stdout='/after')
    """
    found = files(own_store, hook(body)[1], small_image)
    assert (found["mounted"][3], found["after"][3]) == ("m\n", "deep\none\ntwo\n")


def test_owners_are_the_images(hook: Hook, own_store: Store, small_image: Image) -> None:
    """Names are looked up in the image; without one a copy keeps the owner of its source."""
    body = """
    one = c.with_directory('/a', dag.host().directory('data'), owner='airbyte:extra')
    return one.with_directory('/b', one.directory('/a'))
    """
    found = files(own_store, hook(body)[1], small_image)
    assert {path: owner for path, (_, _, owner, _) in found.items()} == dict.fromkeys(
        ["a", "a/notes.txt", "a/tool.sh", "b/notes.txt", "b/tool.sh"], 1000
    )


def test_caches_are_shared_by_name_and_not_in_the_image(hook: Hook, own_store: Store, small_image: Image) -> None:
    """A second command, or another build, finds what the first one left; such steps are marked as not reproducible."""
    body = """
    c = c.with_mounted_cache('/cache', dag.cache_volume('mine'), sharing=dagger.CacheSharingMode.LOCKED)
    c = c.with_exec(['bash', '-c', 'echo once >> /cache/f'])
    return c.with_exec(['cp', '/cache/f', '/copy'])
    """
    _, image = hook(body)
    assert files(own_store, image, small_image)["copy"][3] == "once\n"
    comments = [entry.get("comment") for entry in image.config.document["history"]]
    assert comments[-2:] == ["airbyte-ci; used the network"] * 2


def test_secrets_are_seen_by_commands_only(hook: Hook, own_store: Store) -> None:
    """As a variable and as a file; not in the image, not in the record, and hidden in what is printed."""
    body = """
    secret = dag.set_secret('token', 'hunter2-of-the-hook')
    m = c.with_secret_variable('TOKEN', secret).with_mounted_secret('/run-token', secret)
    said = await m.with_exec(['bash', '-c', 'echo ${#TOKEN}; cat /run-token; echo $TOKEN']).stdout()
    assert said == '19\\n******\\n', said
    return m.with_exec(['true']).without_secret_variable('TOKEN').with_label('n', str(len(said)))
    """
    record, image = hook(body)
    everything = (
        json.dumps([*map(to_json, record.operations), *record.answers])
        + image.config.raw.decode()
        + image.manifest.raw.decode()
    )
    assert "token" in everything and "hunter2" not in everything
    for file in own_store.root.rglob("*"):
        assert not file.is_file() or b"hunter2-of-the-hook" not in file.read_bytes()


def test_configuration_is_what_is_asked_for(hook: Hook) -> None:
    """Ports, annotations, arguments, folders, labels, and the questions about them."""
    body = """
    c = c.with_exposed_port(8080).with_annotation('a', 'b').with_default_args(['x']).with_env_variable('D', '/opt')
    c = c.with_workdir('$D/w', expand=True).with_label('l', '1').pipeline('p').with_focus()
    assert await c.default_args() == ['x'] and await c.workdir() == '/opt/w'
    assert {await item.name(): await item.value() for item in await c.labels()} == {'maker': 'tests', 'l': '1'}
    assert 'D' in [await item.name() for item in await c.env_variables()]
    assert await c.exists('/etc/passwd') and not await c.exists('/nothing')
    assert await c.file('/usr/lib/data/one').size() == 3 and await c.file('/etc/passwd').name() == 'passwd'
    assert await c.directory('/usr/lib').glob('**/t*') == ['data/deep/three', 'data/two']
    assert await c.directory('/usr/lib/data').glob('*') == ['deep', 'one', 'two']
    assert await dag.directory().with_new_file('a/b/c', 'd').glob('**') == ['a', 'a/b', 'a/b/c']
    assert await dag.directory().with_new_directory('a/b').glob('a/*') == ['a/b']
    nothing = dag.directory()
    assert (await nothing.entries(), await nothing.glob('**'), await nothing.exists('etc')) == ([], [], False)
    assert await c.rootfs().file('etc/group').contents() == await c.file('/etc/group').contents()
    built = dag.directory().with_new_file('a/b', 'text')
    assert (await built.entries(), await built.file('a/b').contents()) == (['a'], 'text')
    return c.without_default_args()
    """
    _, image = hook(body)
    assert image.config.execution["ExposedPorts"] == {"8080/tcp": {}}
    assert image.manifest.annotations == {"a": "b"}
    assert "Cmd" not in image.config.execution


def test_a_hook_may_expect_a_command_to_fail(hook: Hook) -> None:
    """With ANY or FAILURE the hook branches on the exit code; by default a failure ends the build."""
    body = """
    failed = c.with_exec(['bash', '-c', 'exit 3'], expect=ReturnType.ANY)
    code = await failed.exit_code()
    return failed.with_label('code', str(code)) if code == 3 else c
    """
    assert hook(body)[1].config.execution["Labels"]["code"] == "3"
    hook("return c.with_exec(['bash', '-c', 'exit 1'], expect=ReturnType.FAILURE)")
    with pytest.raises(CommandFailed, match="expected to fail"):
        hook("return c.with_exec(['bash', '-c', 'exit 0'], expect=ReturnType.FAILURE)")
    with pytest.raises(CommandFailed, match="exit code 1"):
        hook("return c.with_exec(['bash', '-c', 'exit 1'])")


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("return c.with_file('/x', c.file('/nothing'))", HookError, "copies /nothing, which is not in the image"),
        (
            "return c.with_directory('/x', dag.directory().directory('no'))",
            HookError,
            "from a folder that does not contain it",
        ),
        (
            "return c.with_label('x', await c.file('/bin/true').contents())",
            HookError,
            "the contents of /bin/true, which is not text in UTF-8",
        ),
        (
            "d = dag.directory().with_file('d/b', c.file('/bin/true'))\nawait d.file('d/b').contents()",
            HookError,
            "the contents of d/b, which is not text",
        ),
        ("return c.with_file('/x', dag.directory().file('no'))", HookError, "from a folder that does not contain it"),
        (
            "return c.with_directory('/x', dag.directory().with_new_file('../up', ''))",
            HookError,
            "not a valid path inside a folder",
        ),
        (
            "return c.with_directory('/x', dag.host().directory('none'))",
            HookError,
            "build_customization.py:4: FileNotFound",
        ),
        (
            "return c.with_directory('/x', dag.host().directory('/var'))",
            HookError,
            r"build_customization.py:4: FileNotFound",
        ),
        ("return c.with_mounted_directory('/', dag.directory()).with_exec(['true'])", SandboxError, "hides the image"),
        ("return c.with_exec(['true'], redirect_stdin='/no')", SandboxError, "has no such file"),
    ],
)
def test_what_is_not_there_is_said(hook: Hook, body: str, error: type[Exception], message: str) -> None:
    """With the path, and where the hook reads this machine with its line."""
    with pytest.raises(error, match=message):
        hook(body)


def test_a_plan_alone_has_no_secrets(hook: Hook, own_store: Store, small_image: Image) -> None:
    """Evaluating only the recorded operations reports the missing secret."""
    record, _ = hook("return c.with_secret_variable('T', dag.set_secret('token', 'x')).with_exec(['true'])")
    for file in (own_store.root / "actions").rglob("*"):
        if file.is_file():
            file.unlink()
    with pytest.raises(SandboxError, match="needs the secret T"):
        Evaluator(own_store, small_image).image(record.operations, {})


def test_a_collected_leftover_is_made_again_only_when_it_is_needed(
    own_store: Store, small_image: Image, evaluator: Evaluator
) -> None:
    """A command whose layer is there does not run again; when a later one needs what is not in the layer, it does."""
    import shutil

    from airbyte_ci.dagger import Exec

    def sh(line: str) -> Any:
        return Exec(("bash", "-c", line))

    update = sh("mkdir -p /var/lib/apt/lists; date +%s.%N > /kept; cp /kept /var/lib/apt/lists/main")
    image = evaluator.image([update], {})
    snapshots = own_store.root / "snapshots"
    for folder in snapshots.glob("exec-*"):
        shutil.rmtree(folder)
    again = Evaluator(own_store, small_image, timeout=60)
    assert again.image([update], {}) == image
    assert list(snapshots.glob("*-*")) == []
    text = again.state([update, sh("cat /kept /var/lib/apt/lists/main")]).output.stdout.splitlines()
    kept = Evaluator(own_store, small_image).tree(again.state([update])).read("kept")
    assert len(text) == 2 and kept == f"{text[0]}\n".encode() and text[1] != text[0]


def test_names_of_secrets_are_not_listed(hook: Hook, own_store: Store, small_image: Image, tmp_path: Path) -> None:
    """A folder of the connector has neither secrets nor caches: the image is the same with and without them."""
    body = """
    d = dag.host().directory('.')
    assert await d.glob('**') == await dag.host().workdir().glob('**')
    return c.with_new_file('/names', ' '.join(await d.glob('**'))).with_directory('/all', d)
    """
    connector = tmp_path / "connector"
    (connector / "data").mkdir(parents=True)
    (connector / "data" / "empty").touch()
    (connector / "data" / "link").symlink_to("../secrets")
    without = hook(body)[1]
    for name in ("secrets/config.json", "data/secrets/a", "data/.env", "data/key.pem", ".aws/credentials", ".venv/a"):
        (connector / name).parent.mkdir(exist_ok=True)
        (connector / name).write_text("-----BEGIN PRIVATE KEY-----")
    image = hook(body)[1]
    assert image.digest == without.digest
    found = files(own_store, image, small_image)
    assert {name for name in found if name.startswith("all/data/")} == {
        *("all/data/empty", "all/data/link", "all/data/notes.txt", "all/data/tool.sh")
    }
    assert not {"secrets", "secrets/config.json", ".venv", "data/.env"} & set(found["names"][3].split())
