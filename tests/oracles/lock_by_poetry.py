# mypy: ignore-errors
"""Generated projects locked by poetry itself, and what it would install of each. Runs where poetry is, and nothing of
airbyte-ci (so mypy cannot see its imports).

stdin: {"seeds": [1, …], "pythons": ["3.9.18", …]}
stdout: [{"seed": …, "project": pyproject.toml, "lock": poetry.lock, "answers": [{groups, extras, python, packages}]}]

A project has extras that name extras of their own package, groups that include groups, and markers on each.
"""

import hashlib
import json
import random
import sys
import tempfile
from pathlib import Path

from cleo.io.null_io import NullIO
from poetry.factory import Factory
from poetry.inspection.info import PackageInfo
from poetry.puzzle.exceptions import SolverProblemError
from poetry.puzzle.solver import Solver
from poetry.puzzle.transaction import Transaction
from poetry.repositories import Repository, RepositoryPool
from poetry.utils.env import MockEnv
from projects import EXTRAS, MARKERS, NAMES, condition, universe, wanted


def environment(python: str) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux",
    }


def packages_of(releases):
    """The releases as poetry knows them."""
    found = []
    for item in releases:
        info = PackageInfo(
            name=item.name, version=item.version, requires_dist=list(item.requires), requires_python=">=3.8"
        )
        package = info.to_package(name=item.name)
        file = f"{item.name}-{item.version}-py3-none-any.whl"
        package.files = [{"file": file, "hash": f"sha256:{hashlib.sha256(file.encode()).hexdigest()}"}]
        found.append(package)
    return found


def poetrys(chance: random.Random, name: str, *, optional: bool = False) -> str:
    """A line of one of poetry's tables."""
    details = ['version = "*"']
    if extras := chance.sample(EXTRAS, chance.choice((0, 1, 2))):
        details.append(f"extras = {json.dumps(extras)}")
    if chance.random() < 0.3:
        details.append(f"markers = {json.dumps(chance.choice(MARKERS))}")
    if optional:
        details.append("optional = true")
    return f"{name} = {{{', '.join(details)}}}"


def project(chance: random.Random) -> str:
    is_standard = chance.random() < 0.6
    main = chance.sample(NAMES, chance.randrange(1, 3))
    if is_standard:
        listed = [wanted(chance, name) + condition(chance) for name in main]
        lines = ["[project]", 'name = "own"', 'version = "1"', 'requires-python = ">=3.9,<4"']
        lines += [f"dependencies = {json.dumps(listed)}", "[project.optional-dependencies]"]
        for extra in chance.sample(("one", "two"), chance.randrange(3)):
            more = [wanted(chance, name) + condition(chance) for name in chance.sample(NAMES, chance.randrange(1, 3))]
            lines.append(f"{extra} = {json.dumps(more)}")
        lines += ["[tool.poetry]", "package-mode = false"]
    else:
        lines = ["[tool.poetry]", "package-mode = false", 'name = "own"', 'version = "1"']
        lines += ["[tool.poetry.dependencies]", 'python = ">=3.9,<4"', *(poetrys(chance, name) for name in main)]
        others = [name for name in NAMES if name not in main]
        listed = [
            f"{extra} = {json.dumps(chance.sample(others, chance.randrange(1, 3)))}"
            for extra in chance.sample(("one", "two"), chance.randrange(3))
        ]
        optional = [name for name in others if any(f'"{name}"' in line for line in listed)]
        lines += [poetrys(chance, name, optional=True) for name in optional]
        lines += ["[tool.poetry.extras]", *listed]
    return "\n".join([*lines, *groups(chance), ""])


def groups(chance: random.Random) -> list[str]:
    """Groups of both kinds, of which later ones include earlier ones."""
    names = ["base", "more", "prod"][: chance.randrange(4)]
    standard, tables = [], []
    for position, group in enumerate(names):
        included = chance.sample(names[:position], chance.randrange(position + 1))
        own = chance.sample(NAMES, chance.randrange(1, 3))
        if chance.random() < 0.5:
            items = [wanted(chance, name) + condition(chance) for name in own]
            standard.append(f"{group} = {json.dumps(items)[:-1]}")
            standard[-1] += "".join(f', {{include-group = "{name}"}}' for name in included) + "]"
        else:
            tables.append(f"[tool.poetry.group.{group}]")
            tables += [f"include-groups = {json.dumps(included)}"] if included else []
            tables += [f"[tool.poetry.group.{group}.dependencies]", *(poetrys(chance, name) for name in own)]
    return [*(["[dependency-groups]", *standard] if standard else []), *tables]


def answer(seed: int, pythons: list[str]):
    """The locked project with poetry's own selections; None for one that poetry cannot lock."""
    chance = random.Random(seed)
    packages, text = packages_of(universe(chance)), project(chance)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(text)
        try:
            poetry = Factory().create_poetry(folder, with_groups=True)
            pool = RepositoryPool([Repository("PyPI", packages)], config=poetry.config)
            solved = Solver(poetry.package, pool, [], [], NullIO()).solve().get_solved_packages()
        except (SolverProblemError, ValueError):
            return None
        poetry.locker.set_lock_data(poetry.package, solved)
        answers = []
        for _ in range(4):
            names = sorted(poetry.package.dependency_group_names(include_optional=True) - {"main"})
            wished = sorted(chance.sample(names, chance.randrange(len(names) + 1)))
            offered = sorted(poetry.package.extras)
            extras = sorted(chance.sample(offered, chance.randrange(len(offered) + 1)))
            python = chance.choice(pythons)
            found = selected(poetry, {"main", *wished}, set(extras), environment(python))
            again = resolved(folder, {"main", *wished}, set(extras), environment(python))
            answers.append({"groups": wished, "extras": extras, "python": python, "packages": found, "again": again})
        return {"seed": seed, "project": text, "lock": (folder / "poetry.lock").read_text(), "answers": answers}


def selected(poetry, wished, extras, markers) -> list[str]:
    """As `poetry install` has it since 2.3: by the groups and markers of the lock, without resolving again."""
    repository = poetry.locker.locked_repository()
    transaction = Transaction(repository.packages, poetry.locker.locked_packages(), [], poetry.package, markers, wished)
    operations = transaction.calculate_operations(with_uninstalls=False, extras=extras)
    return sorted(f"{item.package.name}=={item.package.version}" for item in operations if not item.skipped)


def resolved(folder, wished, extras, markers) -> list[str] | str:
    """As poetry before 2.3 has it by default: everything is resolved again among the locked packages."""
    poetry = Factory().create_poetry(folder, with_groups=True)  # solving changes the one that it is given
    locked = poetry.locker.locked_repository()
    root = poetry.package.with_dependency_groups(list(wished), only=True)
    solver = Solver(
        root,
        RepositoryPool.from_packages(locked.packages, poetry.config),
        [],
        locked.packages,
        NullIO(),
        active_root_extras=extras,
    )
    solver.provider.load_deferred(False)
    version = tuple(map(int, markers["python_full_version"].split(".")))
    env = MockEnv(version, platform="linux", platform_machine="x86_64", os_name="posix", marker_env=markers)
    try:
        with solver.use_environment(env):
            operations = solver.solve().calculate_operations(with_uninstalls=False, extras=extras)
    except Exception as error:  # noqa: BLE001  # whatever poetry says is its answer
        return f"{type(error).__name__}: {error}"
    return sorted(f"{item.package.name}=={item.package.version}" for item in operations if not item.skipped)


def main() -> None:
    asked = json.load(sys.stdin)
    found = (answer(seed, asked["pythons"]) for seed in asked["seeds"])
    json.dump([item for item in found if item], sys.stdout)


if __name__ == "__main__":
    main()
