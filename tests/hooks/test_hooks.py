"""Hooks: real modules in a real process; their actions are recorded, and each mistake is reported with its line."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import airbyte_ci
from airbyte_ci.dagger import (
    Exec,
    Question,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
    UnsetVariable,
    WriteFile,
    from_json,
    to_json,
)
from airbyte_ci.errors import CommandFailed, HookError, SandboxError
from airbyte_ci.hooks import conversation
from airbyte_ci.hooks.conversation import Conversation, HookRecord
from tests.processes import processes, until

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes build_customization.py with this source."""

    def go(source: str) -> Path:
        module = tmp_path / "connector" / conversation.MODULE
        module.parent.mkdir(exist_ok=True)
        module.write_text(textwrap.dedent(source))
        return module

    return go


def nothing(question: Question) -> Any:
    raise AssertionError(f"nobody asked for {question}")


def pre(module: Path, answer: Callable[[Question], Any] = nothing, timeout: float = 30) -> HookRecord:
    """Runs a module's first hook."""
    with Conversation(module=module, passed={}, timeout=timeout) as talk:
        return talk.call("pre_connector_install", answer)


HEADER = "async def pre_connector_install(c):\n    "


def test_both_hooks_are_called_each_at_its_time(write: Write) -> None:
    """One module, one process: the second hook sees the state of the first, in that order."""
    module = write(
        """
        MAIN_FILE_NAME = "run.py"
        seen = []

        async def pre_connector_install(base_image_container):
            seen.append("pre")
            return base_image_container.with_exec(["apt-get", "update"]).with_env_variable("A", "1")

        async def post_connector_install(connector_container):
            return connector_container.with_label("seen", ",".join(seen))
        """
    )
    with Conversation(module=module, passed={}) as talk:
        assert talk.main_file == "run.py"
        assert talk.hooks == ("pre_connector_install", "post_connector_install")
        first = talk.call("pre_connector_install", nothing)
        assert first.operations == (Exec(("apt-get", "update")), SetVariable("A", "1"))
        assert talk.call("post_connector_install", nothing).operations == (SetLabel("seen", "pre"),)


def test_a_module_may_define_one_hook_or_only_a_name(write: Write) -> None:
    """A missing hook does nothing."""
    with Conversation(module=write("MAIN_FILE_NAME = 'x.py'"), passed={}) as talk:
        assert (talk.main_file, talk.hooks) == ("x.py", ())
        assert talk.call("pre_connector_install", nothing) == HookRecord()
    with Conversation(module=write(HEADER + "return c"), passed={}) as talk:
        assert talk.main_file is None
        assert talk.call("post_connector_install", nothing) == HookRecord()
        assert talk.call("pre_connector_install", nothing) == HookRecord()


def test_no_module_is_no_conversation(tmp_path: Path, write: Write) -> None:
    """Most connectors have none."""
    with conversation.conversation(tmp_path / conversation.MODULE, {}) as talk:
        assert talk is None
    with conversation.conversation(write(HEADER + "return c"), {}) as talk:
        assert talk is not None


def test_hooks_look_as_they_do_upstream(write: Write) -> None:
    """Imports of Container, also outside of TYPE_CHECKING; helpers next to the module; annotations; awaiting."""
    module = write(
        """
        from __future__ import annotations
        import textwrap
        from typing import TYPE_CHECKING
        import dagger
        from dagger import Container, File
        from helper import PACKAGES

        if TYPE_CHECKING:
            from dagger import Directory

        async def pre_connector_install(base_image_container: Container) -> Container:
            assert isinstance(base_image_container, dagger.Container)
            container = await base_image_container
            return await (
                container.with_exec(["apt-get", "install", "-y", *PACKAGES], skip_entrypoint=True)
                .with_workdir("/airbyte").with_user("airbyte").without_env_variable("X")
                .with_new_file("/etc/x", contents="y", permissions=0o600, owner="airbyte")
                .with_entrypoint(["python", "main.py"]).with_default_args(args=["spec"])
                .with_(lambda c: c.with_env_variable("P", "$PATH:/x", expand=True))
            )
        """
    )
    (module.parent / "helper.py").write_text("PACKAGES = ['socat', 'git']")
    assert pre(module).operations == (
        Exec(("apt-get", "install", "-y", "socat", "git")),
        SetWorkdir("/airbyte"),
        SetUser("airbyte"),
        UnsetVariable("X"),
        WriteFile("/etc/x", "y", 0o600, "airbyte"),
        SetEntrypoint(("python", "main.py")),
        SetDefaultArguments(()),
        SetDefaultArguments(("spec",)),
        SetVariable("P", "$PATH:/x", True),
    )
    assert not (module.parent / "__pycache__").exists()


def test_a_hook_need_not_be_async(write: Write) -> None:
    """A plain function that returns a container does as well."""
    assert pre(write("def pre_connector_install(c): return c.with_user('x')")).operations == (SetUser("x"),)


def test_questions_are_answered_and_recorded(write: Write) -> None:
    """A hook may branch on an answer; the record has the question, its recipe and the answer."""
    module = write(
        """
        async def pre_connector_install(c):
            c = c.with_exec(["uname", "-m"])
            machine = (await c.stdout()).strip()
            path = await c.env_variable("PATH")
            nothing = await c.label("nothing")
            names = await c.directory("/etc").entries()
            text = await c.directory("/etc/").file("passwd").contents()
            assert (path, nothing, names, text) == ("/bin", None, ["passwd"], "root"), (path, nothing, names, text)
            if machine == "x86_64":
                return c.with_exec(["install", "amd64"])
            return c.with_exec(["install", "other"])
        """
    )
    asked: list[Question] = []

    def answer(question: Question) -> Any:
        asked.append(question)
        known = {"stdout": "x86_64\n", "variable": "/bin", "label": None, "entries": ["passwd"], "file": "root"}
        return known[question.about]

    record = pre(module, answer)
    uname = Exec(("uname", "-m"))
    assert record.operations == (uname, Exec(("install", "amd64")))
    assert all(question.operations == (uname,) for question in asked)
    assert record.answers == (
        ("stdout", "", "x86_64\n"),
        ("variable", "PATH", "/bin"),
        ("label", "nothing", None),
        ("entries", "/etc", ["passwd"]),
        ("file", "/etc/passwd", "root"),
    )
    written = json.loads(json.dumps(list(map(to_json, record.operations))))
    assert tuple(map(from_json, written)) == record.operations


def test_a_question_that_cannot_be_answered_ends_the_hook(write: Write) -> None:
    """Even one that would catch the error: it must not go on with a wrong picture of the image."""
    module = write(
        """
        async def pre_connector_install(c):
            try:
                await c.with_exec(["false"]).sync()
            except BaseException:
                pass
            return c
        """
    )

    def answer(question: Question) -> Any:
        raise SandboxError("cannot mount the image: no space left", advice="look")

    with pytest.raises(HookError, match="no space left") as caught:
        pre(module, answer)
    assert caught.value.advice == "look"


def fails(question: Question) -> Any:
    """Every command ends with exit code 3."""
    message = "command 'false' failed in the image: exit code 3"
    raise CommandFailed(message, returncode=3, stdout="out", stderr="err", command=("false",))


@pytest.mark.parametrize("kind", ["dagger.ExecError", "dagger.QueryError", "Exception"])
def test_a_hook_may_catch_a_command_that_failed(write: Write, kind: str) -> None:
    """As with Dagger: the error has the command's result, and the record has the failure."""
    module = write(
        f"""
        import dagger

        async def pre_connector_install(c):
            try:
                await c.with_exec(["false"]).stdout()
            except {kind} as error:
                return c.with_label("how", f"{{error.command}} {{error.exit_code}} {{error.stdout}} {{error.stderr}}")
        """
    )
    record = pre(module, fails)
    assert record.operations == (SetLabel("how", "['false'] 3 out err"),)
    ((about, argument, told),) = record.answers
    assert (about, argument, told["failed"]["exit_code"], told["failed"]["stderr"]) == ("stdout", "", 3, "err")


def test_a_failed_command_that_nobody_catches_has_its_line(write: Write) -> None:
    """The reason as it is, and the place in the hook that ran into it."""
    module = write(HEADER + "c = c.with_exec(['false'])\n    await c.sync()\n    return c")
    with pytest.raises(
        HookError, match=r"^build_customization\.py:3: command 'false' failed in the image: exit code 3$"
    ):
        pre(module, fails)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", "must return a container, but it returned None"),
        ("return 'text'", "must return a container, but it returned 'text'"),
        ("return object()", "must return a container, but it returned <object"),
        ("pass", "must return a container, but it returned None"),
        ("raise ValueError('no such thing')", r"build_customization\.py:2: ValueError: no such thing"),
        ("return helper()", r"build_customization\.py:2: NameError: name 'helper'"),
        ("import requests", r"build_customization\.py:2: ModuleNotFoundError: .*requests"),
        ("from dagger import gag", r"build_customization\.py:2: ImportError: .*name .gag. from .dagger."),
        (
            "return c.with_service_binding('db', None)",
            r"build_customization\.py:2: Unsupported: Container.with_service_binding is not provided by airbyte-ci",
        ),
        ("return await c.file('/x').export('/tmp/x')", r"build_customization\.py:2: Unsupported: File.export is not"),
        ("return c.with_mounted_cache('/x', None)", r"build_customization\.py:2: TypeError: .* takes a CacheVolume"),
        ("return c.with_directory('/x', c.file('/y'))", r"build_customization\.py:2: TypeError: .* takes a Directory"),
        ("import dagger; dagger.dag.container()", r"build_customization\.py:2: Unsupported: Client.container is not"),
        (
            "return c.with_exec(['a'], insecure_root_capabilities=True)",
            r"build_customization\.py:2: Unsupported: with_exec\(insecure_root_capabilities=…\) is not provided",
        ),
        ("return c.with_exec('apt-get update')", r"build_customization\.py:2: TypeError: with_exec takes a list"),
        ("return c.with_exec(['sleep', 5])", r"build_customization\.py:2: TypeError: with_exec takes a list"),
        ("return c.with_env_variable('A', 1)", r"build_customization\.py:2: TypeError: with_env_variable takes"),
        ("return c.with_label('a', 1)", "malformed operation .SetLabel has 1 as its value"),
        ("return c.with_new_file('/x', contents=7)", "malformed operation .WriteFile has 7 as its contents"),
        (r"return c.with_user('\udc80')", "malformed operation .SetUser has"),
        ("import sys; sys.exit(3)", r"build_customization\.py:2: SystemExit: 3"),
        ("import os; print('last words', flush=True); os._exit(0)", "its process ended: last words"),
        ("import os; os.abort()", "its process ended"),
        ("def f(): return f()\n    f()", r"build_customization\.py:2: RecursionError"),
        ("raise KeyboardInterrupt", "its process ended"),
        ("raise BaseException('odd')", "its process ended: BaseException: odd"),
    ],
)
def test_what_goes_wrong_in_a_hook_is_a_hook_error(write: Write, body: str, message: str) -> None:
    """With the hook's line if there is one, and never an internal exception."""
    with pytest.raises(HookError, match=message):
        pre(write(HEADER + body))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:", r"SyntaxError: .*build_customization\.py, line 1"),
        ("import nothing_of_the_kind", r"build_customization\.py:1: ModuleNotFoundError"),
        ("x = 1\ny = x / 0", r"build_customization\.py:2: ZeroDivisionError"),
        ("raise SystemExit('bye')", r"build_customization\.py:1: SystemExit: bye"),
        ("MAIN_FILE_NAME = 5", "MAIN_FILE_NAME is 5, which is not a valid file name"),
        ("import pathlib; MAIN_FILE_NAME = pathlib.Path('main.py')", "PosixPath is not JSON serializable"),
        ("import os; os._exit(0)", "its process ended"),
        ("import time; time.sleep(600)", "killed because it did not finish in 0.5 s"),
        ("\0", "SyntaxError|ValueError"),
        ("é = '\udce9'", "SyntaxError"),
    ],
    ids=repr,
)
def test_a_module_that_cannot_be_loaded_is_a_hook_error(tmp_path: Path, source: str, message: str) -> None:
    """When the conversation starts and the process is gone."""
    module = tmp_path / conversation.MODULE
    module.write_text(source, errors="surrogateescape")
    with (
        pytest.raises(HookError, match=message),
        Conversation(module=module, passed={}, timeout=0.5 if "sleep" in source else 30),
    ):
        pass


@pytest.mark.parametrize(
    "body",
    [
        "import time; time.sleep(600)",
        "while True: pass",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "import os, time\n    os.fork() or os.setsid(); time.sleep(600)",
    ],
    ids=["sleeps", "spins", "ignores signals", "forks"],
)
def test_a_hook_that_never_ends_is_killed(write: Write, body: str) -> None:
    """With all that it started, when its time is over."""
    module = write(HEADER + body)
    with pytest.raises(HookError, match=r"killed because it did not finish in 0\.5 s"):
        pre(module, timeout=0.5)
    assert until(lambda: processes(str(module)) == [])


def test_a_hook_that_leaves_a_child_behind_has_ended(write: Write) -> None:
    """The child holds the pipe, but dies with its parent, so nothing waits for it."""
    with pytest.raises(HookError, match="its process ended"):
        pre(write(HEADER + "import os, time\n    if os.fork(): os._exit(0)\n    time.sleep(600)"))


def test_a_hook_that_drips_bytes_is_killed_too(write: Write) -> None:
    """A line that grows and never ends is no sign of life."""
    module = write(
        HEADER
        + """
    import socket, sys, time
    talk = socket.socket(fileno=int(sys.argv[1]))
    while True:
        talk.sendall(b" ")
        time.sleep(0.01)
"""
    )
    with pytest.raises(HookError, match=r"did not finish in 0\.5 s"):
        pre(module, timeout=0.5)


def test_a_message_without_end_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise fill this process's memory."""
    monkeypatch.setattr(conversation, "_MESSAGE_LIMIT", 1 << 20)
    with pytest.raises(HookError, match="a message of more than 1 MiB"):
        pre(write(HEADER + "return c.with_new_file('/x', 'x' * (2 << 20))"))


def test_what_is_kept_from_a_module_that_fails_is_said(write: Write) -> None:
    """A variable that was not passed, and files that may hold secrets: each with its name and the way to it."""
    module = write(HEADER + "import os\n    return c.with_label('x', os.environ['IMAGE_PROXY'])")
    with pytest.raises(HookError, match="KeyError: 'IMAGE_PROXY'") as caught:
        pre(module)
    assert caught.value.advice == 'to pass the variable, set hook-environment = ["IMAGE_PROXY"] in .airbyte-ci.toml'
    module = write(HEADER + "return c.with_label('x', open('secrets/token').read())")
    (module.parent / "secrets").mkdir()
    (module.parent / ".env").write_text("X=1")
    with pytest.raises(HookError, match=r"build_customization\.py:2: FileNotFoundError") as caught:
        pre(module)
    assert caught.value.advice == "hooks see these files and folders as empty: .env, secrets"
    with pytest.raises(HookError, match="KeyError: 'a'") as caught:
        pre(write(HEADER + "return {}['a']"))
    assert "hook-environment" not in (caught.value.advice or "")


def test_the_answers_of_a_hook_have_an_end(write: Write) -> None:
    """All questions are recorded; a hook with too many of them is ended with an error that names the last one."""
    module = write(
        HEADER
        + """for number in range(40):
        await c.with_label("number", str(number)).stdout()
    return c
"""
    )
    asked: list[Question] = []

    def answer(question: Question) -> str:
        asked.append(question)
        return "a" * 10_000_000

    with pytest.raises(HookError, match="answers to pre_connector_install exceed 36 MiB with the answer to stdout"):
        pre(module, answer)
    assert len(asked) == 4


def test_large_messages_go_both_ways(write: Write) -> None:
    """Megabytes of operations and answers, more than a socket's buffer holds."""
    module = write(HEADER + "text = await c.stdout(); return c.with_new_file('/x', text + await c.stderr())")
    record = pre(module, lambda question: "é" * 1_000_000)
    assert record.operations == (WriteFile("/x", "é" * 2_000_000),)


def test_the_time_an_answer_takes_is_not_the_hooks(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long apt-get install does not use up what the hook has."""
    clock, taken = time.monotonic, [0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + sum(taken))

    def slow(question: Question) -> Any:
        taken.append(3600)
        return "x"

    assert pre(write(HEADER + "await c.stdout(); return c"), slow).answers == (("stdout", "", "x"),)


def test_what_a_hook_starts_ends_with_it(write: Write) -> None:
    """A daemon in a session of its own does not outlive the conversation, whichever way that ends."""
    marker = f"4243.{time.time_ns()}"
    module = write(
        HEADER + "import subprocess, sys\n"
        f"    line = [sys.executable, '-S', '-c', 'import time; time.sleep(600)', '{marker}']\n"
        "    subprocess.Popen(line, start_new_session=True)\n    return c"
    )
    with Conversation(module=module, passed={}) as talk:
        talk.call("pre_connector_install", nothing)
        assert until(lambda: processes(marker) != [])
    assert until(lambda: processes(marker) == [])


def test_a_hook_does_not_outlive_the_tool(write: Write) -> None:
    """kill -9 of the tool ends a hook that spins, too."""
    module = write(HEADER + "print('spinning')\n    while True: pass")
    source = (
        "from pathlib import Path; from airbyte_ci.hooks.conversation import Conversation\n"
        f"with Conversation(module=Path({str(module)!r}), passed={{}}) as talk:\n"
        "    talk.call('pre_connector_install', None)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(airbyte_ci.__file__).parents[1])}
    tool = subprocess.Popen([sys.executable, "-c", source], env=environment)
    assert until(lambda: len(processes(f"hook_process.py\0003\0{module}")) == 1)
    tool.kill()
    tool.wait()
    assert until(lambda: processes(str(module)) == [])
    # What it left in the folder of temporary files goes with the next hook.
    left = [path for path in Path(tempfile.gettempdir()).iterdir() if f"-{tool.pid}-" in path.name]
    assert len(left) == 1
    with Conversation(module=write(HEADER + "return c"), passed={}):
        assert not left[0].exists()


def test_a_hook_prints_beside_the_results(write: Write, capfd: pytest.CaptureFixture[str]) -> None:
    """stdout belongs to results: what it, its writes and its children print goes elsewhere; the pipe is unharmed."""
    body = "import os, sys; print('x'); os.write(1, b'raw'); os.write(2, b'child'); sys.stderr.write('err'); return c"
    assert pre(write(HEADER + body)) == HookRecord()
    assert capfd.readouterr() == ("", "")


def test_a_hook_reads_no_input_of_ours(write: Write) -> None:
    """stdin is empty."""
    assert pre(write(HEADER + "import sys; return c.with_user('u' + sys.stdin.read())")).operations == (SetUser("u"),)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2-of-the-host")
    yield "hunter2-of-the-host"


def test_a_hook_sees_no_variable_of_this_machine(write: Write, secret: str) -> None:
    """A fixed environment, the variables that were passed by name, and nothing else: the same image everywhere."""
    module = write(HEADER + "import os, json; return c.with_label('env', json.dumps(dict(os.environ)))")
    with Conversation(module=module, passed={"PASSED": "1"}) as talk:
        (label,) = talk.call("pre_connector_install", nothing).operations
    assert isinstance(label, SetLabel)
    found = json.loads(label.value)
    assert found.pop("PASSED") == "1"
    assert set(found) <= {"PATH", "HOME", "LANG", "TZ", "LC_CTYPE"}
    assert found["HOME"] == "/nonexistent"


def test_a_hook_does_not_reach_our_environment_through_proc(write: Write, secret: str) -> None:
    """It has process numbers of its own, so it cannot read /proc/<parent>/environ."""
    module = write(
        HEADER
        + """
    import glob
    found = b""
    for path in glob.glob("/proc/[0-9]*/environ"):
        found += open(path, "rb").read()
    return c.with_label("found", str(b"hunter2-of-the-host" in found) + str(len(found) > 0))
"""
    )
    assert pre(module).operations == (SetLabel("found", "FalseTrue"),)


def test_a_hook_itself_has_no_network(write: Write) -> None:
    """Its commands in the image have; the module that describes them has nothing to fetch."""
    module = write(
        HEADER
        + """
    import socket
    names = [name for _, name in socket.if_nameindex()]
    try:
        socket.create_connection(("10.0.2.2", 80), 2)
    except OSError as error:
        return c.with_label("names", ",".join(names))
"""
    )
    assert pre(module).operations == (SetLabel("names", "lo"),)


def test_modules_of_the_tool_are_not_importable(write: Write) -> None:
    """Only the standard library, dagger and the files next to the module."""
    body = """
    found = []
    for name in ("airbyte_ci", "requests", "yaml", "click", "pip"):
        try:
            __import__(name)
            found.append(name)
        except ImportError:
            pass
    return c.with_label("found", ",".join(found))
"""
    assert pre(write(HEADER + body)).operations == (SetLabel("found", ""),)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ('{"operations": [{"operation": "AddLayer", "layer": "{}", "comment": ""}]}', "unknown operation"),
        (
            '{"operations": [{"operation": "Copy", "path": "/x", "contents": [{"content": "Insert", "path": "", '
            f'"contents": [{{"content": "KeptFile", "path": "x", "digest": "{"0" * 64}"}}]}}]}}]}}',
            "must not add files from the store",
        ),
        (
            '{"ask": {"about": "stdout", "operations": [{"operation": "AddLayer", "layer": "x"}]}}',
            "unknown operation",
        ),
        ("{", "an unreadable message"),
        ("\\xff\\xfe", "an unreadable message"),
        ("[" * 100_000, "an unreadable message"),
        ("[]", "violates the protocol"),
        ("7", "violates the protocol"),
        ("{}", "violates the protocol"),
        ('{"ask": 5}', "violates the protocol"),
        ('{"ask": {}}', "malformed operation"),
        ('{"operations": 5}', "malformed operation"),
        ('{"operations": null}', "malformed operation"),
        ('{"operations": {"a": 1}}', "malformed operation"),
        ('{"operations": [5]}', "malformed operation"),
        ('{"operations": ["Exec"]}', "malformed operation"),
        ('{"operations": [{}]}', "unknown operation"),
        ('{"operations": [{"operation": []}]}', "unknown operation"),
        ('{"operations": [{"operation": "__class__"}]}', "unknown operation"),
        ('{"operations": [{"operation": "Exec"}]}', "malformed operation"),
        ('{"operations": [{"operation": "Exec", "arguments": "sh"}]}', "malformed operation"),
        ('{"operations": [{"operation": "Exec", "arguments": ["a", 5]}]}', "malformed operation"),
        ('{"operations": [{"operation": "Exec", "arguments": [["a"]]}]}', "malformed operation"),
        ('{"operations": [{"operation": "Exec", "arguments": [], "other": 1}]}', "malformed operation"),
        ('{"operations": [{"operation": "SetUser", "user": null}]}', "malformed operation"),
        ('{"operations": [{"operation": "SetUser", "user": "\\\\ud800"}]}', "malformed operation"),
        ('{"operations": [{"operation": "WriteFile", "path": "/x", "contents": "", "permissions": 1.5}]}', "malformed"),
        (
            '{"operations": [{"operation": "WriteFile", "path": "/x", "contents": "", "permissions": true}]}',
            "malformed",
        ),
        ('{"error": {"a": 1}}', "failed: {'a': 1}"),
    ],
)
def test_forged_messages_are_refused(write: Write, message: str, problem: str) -> None:
    """A hook can find the pipe and write to it; the data is validated like any untrusted data."""
    source = (
        HEADER
        + f"""
    import os, sys
    os.write(int(sys.argv[1]), {message!r}.encode().decode("unicode_escape").encode("latin-1") + b"\\n")
    await c.stdout()
    return c
"""
    )
    with pytest.raises(HookError, match=problem):
        pre(write(source), lambda question: "x")


@pytest.mark.parametrize("hello", ["{}", '{"hooks": 5}', '{"hooks": ["pre_connector_install"], "main": 5}', "[]", "x"])
def test_a_forged_greeting_is_refused(write: Write, hello: str) -> None:
    """The first message is read with the same care."""
    module = write(f"import os, sys; os.write(int(sys.argv[1]), {hello!r}.encode() + b'\\n')")
    with pytest.raises(HookError), Conversation(module=module, passed={}):
        pass


def test_two_messages_at_once_are_two(write: Write) -> None:
    """Each line is a message, however the pipe cuts them."""
    one = '{"ask": {"about": "stdout", "operations": [], "argument": "%s"}}\\n'
    module = write(
        HEADER
        + f"""
    import os, sys
    os.write(int(sys.argv[1]), b'{one % 1}{one % 2}{{"operations": []}}\\n')
    import time; time.sleep(600)
"""
    )
    record = pre(module, lambda question: question.argument)
    assert record.answers == (("stdout", "1", "1"), ("stdout", "2", "2"))


def test_a_process_that_died_between_the_hooks_is_a_hook_error(write: Write) -> None:
    """The second call meets the end, also where our message was never read."""
    module = write(
        """
        import os, threading, time
        def end():
            while not os.path.exists("end"):
                time.sleep(0.01)
            os._exit(0)
        async def pre_connector_install(c):
            threading.Thread(target=end).start()
            return c
        async def post_connector_install(c):
            return c
        """
    )
    with Conversation(module=module, passed={}) as talk:
        talk.call("pre_connector_install", nothing)
        (module.parent / "end").touch()
        assert until(lambda: processes(str(module)) == [])
        with pytest.raises(HookError, match="its process ended"):
            talk.call("post_connector_install", nothing)


def test_a_relative_path_is_as_good(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook's process works in the module's folder, which must not change what its path means."""
    module = write(HEADER + "import os; return c.with_label('cwd', os.getcwd())")
    monkeypatch.chdir(module.parent.parent)
    relative = Path(os.path.relpath(module))
    assert pre(relative).operations == (SetLabel("cwd", str(module.parent)),)
