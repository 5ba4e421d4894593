# mypy: ignore-errors
"""What poetry itself would install, for imagined environments. Runs where poetry is, and nothing of ours
(so mypy cannot see what it imports).

stdin: {"folders": [connector folder, …], "targets": [[Python's full version, machine], …], "glibc": minor}
stdout: {folder: {"3.9.18 x86_64": [[name, version, file], …] or a text that says why not}}
"""

import json
import sys
from functools import cache
from pathlib import Path

from cleo.io.null_io import NullIO
from packaging.tags import compatible_tags, cpython_tags
from poetry.core.constraints.version import Version
from poetry.core.packages.utils.link import Link
from poetry.factory import Factory
from poetry.installation.chooser import Chooser
from poetry.puzzle.solver import Solver
from poetry.repositories import RepositoryPool
from poetry.utils.env import MockEnv


class FileChooser(Chooser):
    """Poetry's choice among the files of the lock, as if an index had just these."""

    def _get_links(self, package):
        files = [item for item in package.files if item["file"].endswith((".whl", ".tar.gz", ".zip"))]
        return [Link(f"https://index.example/{item['file']}#{item['hash'].replace(':', '=')}") for item in files]


@cache
def environment(python: str, machine: str, glibc: int) -> MockEnv:
    version = tuple(map(int, python.split(".")))
    platforms = []
    for minor in range(glibc, 4, -1):
        if machine == "x86_64" or minor >= 17:
            platforms.append(f"manylinux_2_{minor}_{machine}")
            platforms += {17: [f"manylinux2014_{machine}"], 12: [f"manylinux2010_{machine}"]}.get(minor, [])
            platforms += [f"manylinux1_{machine}"] if minor == 5 else []
    platforms.append(f"linux_{machine}")
    abi = f"cp{version[0]}{version[1]}"
    tags = [
        *cpython_tags(version[:2], abis=[abi], platforms=platforms),
        *compatible_tags(version[:2], interpreter=abi, platforms=platforms),
    ]
    markers = {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python,
        "python_version": f"{version[0]}.{version[1]}",
        "sys_platform": "linux",
    }
    return MockEnv(
        version, platform="linux", platform_machine=machine, os_name="posix", marker_env=markers, supported_tags=tags
    )


def selected(folder: str, env: MockEnv) -> list[list[str]]:
    """As poetry's installer does it for a lock of format 2.0: everything is resolved again among what is locked."""
    poetry = Factory().create_poetry(Path(folder), with_groups=True)
    if not poetry.locker.is_fresh():
        raise ValueError("the lock is not of this pyproject.toml")
    if not poetry.package.python_constraint.allows(Version.parse(env.marker_env["python_full_version"])):
        raise ValueError("the project is not for this Python")  # as poetry's own commands do before they start
    locked = poetry.locker.locked_repository()
    root = poetry.package.with_dependency_groups(["main"], only=True)
    pool = RepositoryPool.from_packages(locked.packages, poetry.config)
    solver = Solver(root, pool, [], locked.packages, NullIO())
    solver.provider.load_deferred(False)
    with solver.use_environment(env):
        operations = solver.solve().calculate_operations(with_uninstalls=False)
    chooser = FileChooser(pool, env, poetry.config)
    packages = [item.package for item in operations if not item.skipped]
    return sorted([item.name, str(item.version), chooser.choose_for(item).filename] for item in packages)


def main() -> None:
    asked = json.load(sys.stdin)
    answers: dict[str, dict[str, object]] = {}
    for folder in asked["folders"]:
        answers[folder] = {}
        for python, machine in asked["targets"]:
            try:
                answer: object = selected(folder, environment(python, machine, asked["glibc"]))
            except Exception as error:  # noqa: BLE001  # whatever poetry says is its answer
                answer = f"{type(error).__name__}: {error}"
            answers[folder][f"{python} {machine}"] = answer
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
