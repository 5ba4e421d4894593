"""The contract with Dagger: names and parameters of its published Python packages, old and new, against the API's.

The signatures of the two versions are next to this file; a slow test reads the packages themselves.
"""

import ast
import inspect
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airbyte_ci import dagger

TABLES = {table.stem.removeprefix("signatures-"): table for table in Path(__file__).parent.glob("*.txt")}
# What nothing in a connector's build can use: an engine, a registry, a service, a GPU, this machine's files.
REFUSED = {
    *("as_service", "as_tarball", "build", "combined_output", "docker_healthcheck", "endpoint", "exec", "export"),
    *("experimental_with_all_gp_us", "experimental_with_gpu", "export_image", "exposed_ports", "from_", "hostname"),
    *("id", "image_ref", "import_", "publish", "stat", "terminal", "up", "with_default_terminal_cmd"),
    *("with_docker_healthcheck", "with_env_file_variables", "with_error", "with_fs", "with_mounted_volume"),
    *("with_registry_auth", "with_rootfs", "with_service_binding", "with_unix_socket", "with_volatile_variable"),
    *("without_docker_healthcheck", "without_registry_auth", "without_unix_socket", "without_volatile_variable"),
    *("as_git", "as_module", "as_module_source", "changes", "chown", "diff", "digest", "docker_build", "find_up"),
    *("search", "with_changes", "with_patch", "with_patch_file", "as_env_file", "as_json", "with_replaced", "secret"),
}


def _signatures() -> list[tuple[str, str, str, str]]:
    found = []
    for version, table in sorted(TABLES.items()):
        for line in table.read_text().splitlines():
            match = re.fullmatch(r"(\w+)\.(\w+)\((.*)\)", line)
            assert match
            found.append((version, match[1], match[2], match[3]))
    return found


def test_every_method_of_both_versions_is_provided_or_refused_by_name() -> None:
    """A method accepts each parameter of each version in its order, or reports that it is not supported."""
    assert len(TABLES) == 2
    wrong = []
    for version, kind, name, parameters in _signatures():
        method = getattr(getattr(dagger, kind), name, None)
        if (method is None) != (name in REFUSED):
            wrong.append(f"{version} {kind}.{name} is {'missing' if method is None else 'there'}")
        elif method is not None:
            wrong += [f"{version} {kind}.{name}: {problem}" for problem in _problems(method, parameters)]
    assert wrong == []


def _problems(method: object, parameters: str) -> list[str]:
    ours = inspect.signature(method).parameters  # type: ignore[arg-type]  # a method
    names = [name for name in ours if name != "self"]
    positional, _, keywords = parameters.partition("*")
    wanted = [name.strip() for name in positional.split(",") if name.strip()]
    problems = [f"no {name}" for name in [*wanted, *_words(keywords)] if name not in names]
    ordered = [name for name in names if ours[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    # The same place, or one under the new name of the old parameter.
    for place, name in enumerate(wanted):
        if not problems and ordered[place] != name and (ordered[place], name) != ("source", "directory"):
            problems.append(f"{name} is not the {place}. parameter")
    return problems


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


@pytest.mark.slow
@pytest.mark.parametrize("version", sorted(TABLES))
def test_the_tables_are_what_is_published(version: str, tmp_path: Path) -> None:
    """Read from the package's own source, without running it."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            f"--dest={tmp_path}",
            f"dagger-io=={version}",
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (source,) = (name for name in archive.namelist() if re.fullmatch(r"dagger/(api|client)/gen\.py", name))
        tree = ast.parse(archive.read(source))
    assert sorted(_published(tree)) == TABLES[version].read_text().splitlines()


def _published(tree: ast.Module) -> list[str]:
    found = []
    for kind in tree.body:
        if isinstance(kind, ast.ClassDef) and kind.name in ("Container", "Directory", "File"):
            for item in kind.body:
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and not item.name.startswith("_"):
                    positional = [argument.arg for argument in (*item.args.posonlyargs, *item.args.args)][1:]
                    keywords = [argument.arg for argument in item.args.kwonlyargs]
                    names = [*positional, *(["*", *keywords] if keywords else [])]
                    found.append(f"{kind.name}.{item.name}({', '.join(names)})")
    return found
