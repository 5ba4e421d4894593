"""Planning: a connector on its base image → the BuildPlan, and the assembly that can make it.

Nothing is installed to plan, unless a hook asks a question whose answer depends on it, or runs a command after it: what
a command gave that used the network is an input, and a part of the plan.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from airbyte_ci.build import asking, framework, lockfile, selection, source
from airbyte_ci.build import base as bases
from airbyte_ci.build.assembly import Assembly, Ground, Workbench
from airbyte_ci.build.plan import BuildPlan, Source
from airbyte_ci.connectors import customization
from airbyte_ci.connectors.connector import Connector
from airbyte_ci.container import declared as declarations
from airbyte_ci.container import hooks, lending, users
from airbyte_ci.container.api import Operation, Question
from airbyte_ci.container.declared import Declared, kept_files
from airbyte_ci.container.evaluate import Evaluator
from airbyte_ci.container.hooks import Conversation, HookRecord
from airbyte_ci.errors import ConnectorError, HookError, PlanError
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Platform
from airbyte_ci.oci.layer import layer_of
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store import Store
from airbyte_ci.python import environment, foreign, inventory, local_sources, trees
from airbyte_ci.python.environment import Choice
from airbyte_ci.python.lock import FromDirectory, FromIndex, Lock, LockedFile, LockedPackage


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what is at hand to build it. `lock` is the name of the lock file that it was made of, if any."""

    plan: BuildPlan
    assembly: Assembly
    lock: str | None = None


def ground(bench: Workbench, address: Reference, platform: Platform, native: Platform) -> Ground:
    """The base image for the platform and its Python; raises RegistryError, ImageError, SandboxError."""
    base = bases.resolve(bench.store, address, platform, bench.registries)
    if native.accepts(platform):
        return Ground(base, inventory.of(bench.store, base.image, base.bring))
    host = ground(bench, address, native, native)
    return Ground(base, foreign.inventory(bench.store, base.image, base.bring, host.base.image, host.python), host)


def plan(
    connector: Connector, bench: Workbench, platform: Platform, native: Platform, override: str | None = None
) -> Planned:
    """The connector's plan for a platform; raises an AirbyteCiError that says which step failed and why."""
    address = bases.address(connector, override)
    under = ground(bench, address, platform, native)
    base = under.base
    evaluator = Evaluator(bench.store, base.image, bring=base.bring, owner=str(connector.folder.resolve()))
    asked = _declared(connector, base, bench.store)
    with hooks.conversation(connector.folder / hooks.MODULE, bench.passed) as hook:
        _refuse_idle(hook, connector)
        if hook:
            bench.say("pre hook")
        pre = _call(hook, "pre_connector_install", evaluator, asked.before, lambda: asked.before)
        packages = chosen(connector, bench, under)
        main = (hook.main_file if hook else None) or source.DEFAULT_MAIN
        owner = _owner(asked, bench, base, evaluator, pre.operations)
        code = layer_of(bench.store, source.entries(connector, main, owner))
        assembly = Assembly(bench, under, evaluator, pre.operations, packages, code, bench.shape, asked.building)
        draft = BuildPlan(
            connector.name,
            connector.image_repository,
            connector.version,
            platform,
            address,
            base.image.digest,
            under.python.interpreter.version,
            packages,
            Source(code.diff_id, main, source.CODE, owner),
            lending.without_logins(bench.passed) if hook else {},
            pre,
            HookRecord(),
            bench.shape,
            asked.building,
        )

        def installed() -> tuple[Operation, ...]:
            return (*assembly.operations(), *draft.settings, *asked.after)

        post = _call(hook, "post_connector_install", evaluator, asked.after, installed)
    done = replace(draft, post=post)
    return Planned(replace(done, impure=assembly.impure(done)), assembly, lockfile.kind(connector))


def chosen(connector: Connector, bench: Workbench, under: Ground) -> tuple[Choice, ...]:
    """What will be installed, as it was selected before from the same lock for the same Python, or selected now."""
    interpreter = under.python.interpreter
    settings = {"python": interpreter.to_json(), "locks": bench.rules.to_json(), "name": connector.name}
    name = selection.key(connector.folder, connector.names, settings)
    found = selection.recall(
        bench.store,
        name,
        lambda: [choice.to_json() for choice in _choose(connector, bench, under)],
        keep=bench.framework is None,
    )
    return tuple(Choice.from_json(item) for item in found)


def _choose(connector: Connector, bench: Workbench, under: Ground) -> tuple[Choice, ...]:
    return choices(selected(connector, bench, under), connector, bench, under)


def choices(lock: Lock, connector: Connector, bench: Workbench, under: Ground) -> tuple[Choice, ...]:
    """The file or tree of each package; of a tree the version is the one that it has now, if its text says it."""
    origins = (item.origin for item in lock.packages if isinstance(item.origin, FromDirectory))
    for folder in {trees.folder_of(origin, connector.folder) for origin in origins}:
        bench.folders.update((folder, *trees.ruled_by(folder)))
    bench.folders.update(lockfile.included(connector))

    def obtain(package: LockedPackage) -> LockedFile:
        return trees.obtain(package, connector.folder, bench.store, bench.index)

    found = environment.choose(lock, under.python.interpreter, obtain)
    return tuple(_as_it_is(choice, bench.store) if choice.is_tree else choice for choice in found)


def _as_it_is(choice: Choice, store: Store) -> Choice:
    return replace(choice, version=trees.version(store, choice.file) or choice.version)


def selected(connector: Connector, bench: Workbench, under: Ground) -> Lock:
    """What the connector's lock says for the base's Python, or what it resolves to as of a day.

    The framework that was asked for takes the place of the locked one.
    """
    lock = lockfile.select(
        connector, under.python.interpreter, bench.store, bench.index, bench.rules, asking.builder(bench, under)
    )
    what = f"{connector.relative}/{lockfile.kind(connector) or 'requirements'}"
    for package in lock.packages:
        local_sources.check(package.origin, connector.folder, f"{what}: {package.name}")
    return framework.replaced(lock, bench.framework) if bench.framework else lock


def from_plan(
    given: BuildPlan, connector: Connector | None, bench: Workbench, native: Platform, *, again: bool = False
) -> Planned:
    """What builds a plan that was made before; raises PlanError when its code or its base is not at hand.

    Hooks are not run again: what they did is in the plan, and of commands that asked the network what they gave. Done
    `again`, these are run whatever they gave.
    """
    under = ground(bench, given.base, given.platform, native)
    base = under.base
    if base.image.digest != given.base_manifest:
        raise PlanError(f"building the plan of {given.name}: {given.base} is not the image it was made on")
    if under.python.interpreter.version != given.python:
        raise PlanError(f"building the plan of {given.name}: the base has Python {under.python.interpreter.version}")
    if connector is None:
        raise PlanError(
            f"building the plan of {given.name}: no connector of that name is here",
            advice="run it in the repository that the plan was made in",
        )
    code = layer_of(bench.store, source.entries(connector, given.source.main, given.source.owner))
    if code.diff_id != given.source.layer:
        raise PlanError(
            f"building the plan of {given.name}: the code in {connector.relative} is not the code it was made for",
            advice="check out the commit that the plan was made on",
        )
    _obtain_again(given, connector, bench)
    _keep_again(given, connector, base, bench.store)
    evaluator = Evaluator(bench.store, base.image, bring=base.bring, owner=str(connector.folder.resolve()))
    for item in given.impure if not again else ():
        if item.hook == "pre":
            evaluator.give(given.pre.operations[: item.operation + 1], item.layer)
    assembly = Assembly(
        *(bench, under, evaluator, given.pre.operations, given.packages, code, given.shape, given.building),
        is_given=not again,
    )
    return Planned(given, assembly, lockfile.kind(connector))


def _obtain_again(given: BuildPlan, connector: Connector, bench: Workbench) -> None:
    """Has the plan's folders, commits and files at hand, just those that it names by digest."""
    for choice in given.packages:
        if isinstance(choice.origin, FromIndex) or bench.store.has(Digest(choice.file.sha256)):
            continue
        package = LockedPackage(choice.name, choice.version, (choice.file,), origin=choice.origin)
        found = trees.obtain(package, connector.folder, bench.store, bench.index)
        if found != choice.file:
            raise PlanError(
                f"building the plan of {given.name}: {choice.name} is not what it was made for",
                advice="check out the commit that the plan was made on",
            )


# --- customisation -------------------------------------------------------------------------------


def _declared(connector: Connector, base: bases.BaseImage, store: Store) -> Declared:
    """What build_customization.yaml asks for; it comes before what the module beside it does."""
    path = connector.folder / customization.FILE
    if not path.exists():
        return Declared()
    shown = customization.FILE if connector.relative == "." else f"{connector.relative}/{customization.FILE}"
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorError(f"reading {shown}: {error}") from error
    user = str(base.image.config.execution.get("User") or "")
    return declarations.declared(customization.parse(text, shown), connector.folder, user, store)


def _keep_again(given: BuildPlan, connector: Connector, base: bases.BaseImage, store: Store) -> None:
    """Has the declaration's files in the store, just those that the plan names by digest."""
    named = {Digest(digest) for record in (given.pre, given.post) for digest in kept_files(record.operations)}
    if all(store.has(digest) for digest in named):
        return
    _declared(connector, base, store)
    if not all(store.has(digest) for digest in named):
        raise PlanError(
            f"building the plan of {given.name}: a file that {customization.FILE} names is not what it was made for",
            advice="check out the commit that the plan was made on",
        )


def _owner(
    asked: Declared,
    bench: Workbench,
    base: bases.BaseImage,
    evaluator: Evaluator,
    before: tuple[Operation, ...],
) -> tuple[int, int]:
    """Who the code belongs to: the user that was declared, who may have come before the install, or the base's."""
    if asked.user is None:
        return source.owner(bench.store, base)
    found = users.resolve(evaluator.tree(evaluator.state(before)), asked.user)
    return found.uid, found.gid


def _call(
    hook: Conversation | None,
    name: hooks.HookName,
    evaluator: Evaluator,
    declared: tuple[Operation, ...],
    before: Callable[[], tuple[Operation, ...]],
) -> HookRecord:
    """What was `declared` and what the hook did after it; questions are about all that came `before`."""
    if hook is None:
        return HookRecord(declared)

    def answer(question: Question) -> object:
        return evaluator.answer(before(), question)

    record = hook.call(name, answer)
    evaluator.keep_failures()
    return replace(record, operations=(*declared, *record.operations))


def _refuse_idle(hook: Conversation | None, connector: Connector) -> None:
    """A module from which nothing is called is a mistake that would otherwise stay unseen."""
    if hook and not hook.hooks and hook.main_file is None:
        raise HookError(
            f"{connector.relative}/{hooks.MODULE} defines neither pre_connector_install nor post_connector_install",
            advice="rename its functions, or delete the file",
        )
