"""Locks that lack a requirement, a file or a variable: never a broken environment without a message."""

from collections.abc import Callable

import pytest

from tests.e2e.tiny import NAME, Tiny

pytestmark = pytest.mark.slow
HOOK = """async def pre_connector_install(container):
    return container.with_exec(["sh", "-c", "echo hello > /hello"])
"""
SAID = "needy requires notthere>=1, which is not installed"


def _needy(tiny: Tiny, requires: str = "notthere>=1") -> str:
    text = f"Metadata-Version: 2.1\nName: needy\nVersion: 1.0\nRequires-Dist: {requires}\n"
    return tiny.wheel("needy", "1.0", {"needy.py": "", "needy-1.0.dist-info/METADATA": text})


def _requirements(tiny: Tiny, lines: list[str]) -> None:
    (tiny.connector() / "requirements.txt").write_text("".join(lines))


def _pylock(tiny: Tiny, lines: list[str]) -> None:
    text = 'lock-version = "1.0"\ncreated-by = "somebody"\n'
    for name, sha256 in _files(lines):
        file = f"{name}-1.0-py3-none-any.whl"
        url = f"{tiny.index.url.removesuffix('simple/')}files/{name}/{file}"
        text += f'[[packages]]\nname = "{name}"\nversion = "1.0"\n[[packages.wheels]]\nname = "{file}"\n'
        text += f'url = "{url}"\nhashes = {{sha256 = "{sha256}"}}\n'
    (tiny.connector() / "pylock.toml").write_text(text)


def _uv_lock(tiny: Tiny, lines: list[str]) -> None:
    names = [name for name, _ in _files(lines)]
    text = f'version = 1\n[[package]]\nname = "{NAME}"\nsource = {{virtual = "."}}\ndependencies = ['
    text += ", ".join(f'{{name = "{name}"}}' for name in names) + "]\n[package.metadata]\nrequires-dist = ["
    text += ", ".join(f'{{name = "{name}"}}' for name in names) + "]\n"
    for name, sha256 in _files(lines):
        file = f"{name}-1.0-py3-none-any.whl"
        text += f'[[package]]\nname = "{name}"\nversion = "1.0"\nsource = {{registry = "https://pypi.org/simple"}}\n'
        text += f'wheels = [{{url = "https://f/{file}", hash = "sha256:{sha256}"}}]\n'
    (tiny.connector() / "uv.lock").write_text(text)
    listed = ", ".join(f'"{name}"' for name in names)
    project = f'[project]\nname = "{NAME}"\nversion = "1.0.0"\ndependencies = [{listed}]\n'
    (tiny.connector() / "pyproject.toml").write_text(project)


def _files(lines: list[str]) -> list[tuple[str, str]]:
    return [(line.partition("==")[0], line.strip()[-64:]) for line in lines]


@pytest.mark.parametrize("write", [_requirements, _pylock])
def test_a_list_that_is_not_complete_is_refused(tiny: Tiny, write: Callable[[Tiny, list[str]], None]) -> None:
    """Hashed requirements and a PEP 751 lock know nothing of what packages need: what lacks is an error, each time."""
    write(tiny, [tiny.big, tiny.small(), _needy(tiny)])
    for _ in range(2):
        built = tiny.build()
        assert built.code == 1
        assert f"the lock is incomplete: {SAID}" in built.out
    (tiny.connector() / "main.py").write_text("print()\n")
    assert SAID in tiny.build("--no-verify").out


def test_a_lock_of_poetry_or_uv_may_know_better(tiny: Tiny) -> None:
    """They record requirements, and may override them: differences are reported, the same each time."""
    _uv_lock(tiny, [tiny.big, tiny.small(), _needy(tiny)])
    for _ in range(2):
        built = tiny.run("connectors", f"--name={NAME}", "build")
        assert built.code == 0, built.err
        assert f"! unmet requirements in the packages' metadata: {SAID}" in built.out


def test_an_index_of_a_variable_is_read_with_its_login(tiny: Tiny) -> None:
    """A requirements file may take a private index from variables, as for pip; the plan does not show them."""
    tiny.require(tiny.wheel("tinydep", f"1.{tiny.index.host.rpartition(':')[2]}", {"tinydep.py": "VERSION = 'own'\n"}))
    path = tiny.connector() / "requirements.txt"
    place = tiny.index.url.removeprefix("http://")
    path.write_text(f"--extra-index-url http://${{MY_USER}}:${{MY_WORD}}@{place}\n{path.read_text()}")
    tiny.index.login = "somebody:hidden-word"
    elsewhere = {"PIP_INDEX_URL": ""}
    assert "the variable MY_USER in an index URL, but it is not set" in tiny.build(env=elsewhere).out
    given = {**elsewhere, "MY_USER": "somebody", "MY_WORD": "hidden-word"}
    built = tiny.build(env=given)
    assert built.code == 0, built.out
    assert "hidden-word" not in built.out + tiny.build("--print-plan", env=given).out


def test_a_file_that_is_not_there_is_named_by_its_place(tiny: Tiny) -> None:
    """A missing file that a requirements file includes: one line, relative to the repository."""
    tiny.require("-r ../more/other.txt\n", tiny.small())
    refused = tiny.build()
    assert refused.code == 1
    assert refused.json["reason"] == "cannot read connectors/more/other.txt: No such file or directory"


def test_what_the_base_or_a_hook_has_is_not_missing(tiny: Tiny) -> None:
    """A distribution of the base is used, as in `pip check`; those of hooks are unknown, so it is only reported."""
    tiny.require(tiny.small(), _needy(tiny, "pip>=1"))
    assert tiny.build().code == 0
    tiny.require(tiny.small(), _needy(tiny))
    (tiny.connector() / "build_customization.py").write_text(HOOK)
    built = tiny.run("connectors", f"--name={NAME}", "build")
    assert (built.code, SAID in built.out) == (0, True), built.err
