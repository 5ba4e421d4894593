"""Planning: a connector on its base image → the BuildPlan.

Planning installs packages only if a hook asks a question that depends on them, or runs a command after them: the result
of a command with network access is an input, and part of the plan.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from airbyte_ci.connectors import customization
from airbyte_ci.connectors.connector import JAVA, MANIFEST_ONLY, PYTHON_LANGUAGES, Connector
from airbyte_ci.dagger import Operation, Question
from airbyte_ci.errors import ConnectorError, HookError
from airbyte_ci.hooks import conversation
from airbyte_ci.hooks import declared as declarations
from airbyte_ci.hooks.conversation import Conversation, HookRecord
from airbyte_ci.hooks.declared import Declared
from airbyte_ci.images import add_code, asking, framework, java_base, lockfile, selection
from airbyte_ci.images.add_code import AddCode
from airbyte_ci.images.distribution import AddDistribution
from airbyte_ci.images.evaluation import Evaluation
from airbyte_ci.images.order import Order
from airbyte_ci.images.plan import BuildPlan, Impure, run_settings
from airbyte_ci.images.rules import Rules
from airbyte_ci.oci.image import Image, Platform
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.python.environment import environment
from airbyte_ci.python.environment.environment import Choice
from airbyte_ci.python.environment.install import InstallPackages
from airbyte_ci.python.environment.tools import Tools
from airbyte_ci.python.interpreter.base import Base
from airbyte_ci.python.packages.lock import FromDirectory, Lock, LockedFile, LockedPackage, Origin
from airbyte_ci.python.sources import local_sources, trees
from airbyte_ci.recipe.evaluate import Evaluator
from airbyte_ci.rootfs import users
from airbyte_ci.sandbox import lending


def plan(evaluation: Evaluation, address: Reference, platform: Platform, order: Order) -> BuildPlan:
    """Returns the connector's plan for a platform; raises an AirbyteCiError that names the failed step."""
    connector, tools, evaluator = evaluation.connector, evaluation.tools, evaluation.evaluator
    base = evaluation.base
    asked = read_declaration(connector, base.image, tools.store)
    is_java = connector.language == JAVA
    with conversation.conversation(connector.folder / conversation.MODULE, order.passed) as hook:
        _refuse_idle(hook, connector)
        if hook:
            tools.say("pre hook")
        pre = _call(hook, "pre_connector_install", evaluator, (), asked.before)
        code: AddCode | AddDistribution
        if is_java:
            code = _distribution(evaluation, address, order=order, asked=asked, before=pre.operations)
            core: tuple[Operation, ...] = (code,)
            # What is installed after the distribution is installed by root, and the image keeps its user.
            asked = read_declaration(connector, base.image, tools.store, code.user)
        else:
            packages = choose(connector, base, tools, order.rules, order.framework)
            main = (hook.main_file if hook else None) or add_code.default_main(connector, base)
            owner = _owner(asked, tools.store, base, evaluator, pre.operations)
            code = evaluation.code.operation(main, owner)
            core = (InstallPackages(packages, asked.building, order.bytecode), code)
        below = (*pre.operations, *core, *run_settings(code, connector.image_repository, connector.version))
        post = _call(hook, "post_connector_install", evaluator, below, asked.after)
    operations = (*below, *post.operations)
    return BuildPlan(
        name=connector.name,
        repository=connector.image_repository,
        version=connector.version,
        platform=platform,
        base=address,
        base_manifest=base.image.digest,
        python=None if is_java else base.python.interpreter.version,
        operations=operations,
        impure=tuple(Impure(place, layer) for place, layer in evaluator.impure(operations)),
        variables=lending.without_logins(order.passed) if hook else {},
        answers_before=pre.answers,
        answers_after=post.answers,
        compression=order.compression,
        created=order.created,
    )


def _distribution(
    evaluation: Evaluation, address: Reference, order: Order, asked: Declared, before: tuple[Operation, ...]
) -> AddDistribution:
    """The operation that adds a Java connector's distribution for the user that runs it."""
    connector, store = evaluation.connector, evaluation.tools.store
    if order.framework:
        raise ConnectorError(
            f"cannot build {connector.name} with another framework: its distribution contains the framework",
            advice="set another version in build.gradle, and build the distribution again",
        )
    account = java_base.find_account(
        store, evaluation.base, address=address, evaluator=evaluation.evaluator, before=before, asked=asked.user
    )
    return evaluation.distribution.operation(account.owner, account.user)


# --- packages ------------------------------------------------------------------------------------


def choose(
    connector: Connector, base: Base, tools: Tools, rules: Rules, instead: Origin | None = None
) -> tuple[Choice, ...]:
    """Returns the selection from the same lock for the same Python, cached or new."""
    if connector.language == MANIFEST_ONLY:
        if instead:
            raise ConnectorError(
                f"cannot build {connector.name} with another framework: its base image contains the framework",
                advice="choose another base image with --base-image",
            )
        return ()
    interpreter = base.python.interpreter
    settings = {"python": interpreter.to_json(), "locks": rules.to_json(), "name": connector.name}
    name = selection.key(connector.folder, connector.names, settings)

    def make() -> list[dict[str, Any]]:
        lock = select(connector, base, tools, rules, instead)
        return [choice.to_json() for choice in choose_files(lock, connector, base, tools)]

    found = selection.recall(tools.store, name, make, keep=instead is None)
    return tuple(Choice.from_json(item) for item in found)


def choose_files(lock: Lock, connector: Connector, base: Base, tools: Tools) -> tuple[Choice, ...]:
    """Returns the file or tree of each package; the version of a tree is its current static one, if there is one."""

    def obtain(package: LockedPackage) -> LockedFile:
        return trees.obtain(package, connector.folder, tools.store, tools.index)

    found = environment.choose(lock, base.python.interpreter, obtain)
    return tuple(_as_it_is(choice, connector, tools.store) for choice in found)


def _as_it_is(choice: Choice, connector: Connector, store: Store) -> Choice:
    version = trees.version(store, choice.file) if choice.is_tree else ""
    origin = local_sources.make_portable(choice.origin, connector.folder)
    return replace(choice, version=version or choice.version, origin=origin)


def select(connector: Connector, base: Base, tools: Tools, rules: Rules, instead: Origin | None = None) -> Lock:
    """Returns the lock's packages for the base's Python, or those resolved as of a date.

    The framework from `instead` replaces the locked one.
    """
    builder = asking.builder(tools, base)
    lock = lockfile.select(connector, base.python.interpreter, tools.store, tools.index, rules, builder)
    what = f"{connector.relative}/{lockfile.kind(connector) or 'requirements'}"
    for package in lock.packages:
        local_sources.check(package.origin, connector.folder, f"{what}: {package.name}")
    return framework.replaced(lock, instead) if instead else lock


def is_code_apart(connector: Connector) -> bool:
    """Whether planning reads nothing from the code: no hook does, and no back end that builds the package.

    Without a lock, and for the check of a pylock.toml, the package's own back end is asked for its requirements.
    """
    if {conversation.MODULE, customization.FILE} & connector.names:
        return False
    if connector.language == MANIFEST_ONLY:
        return True
    return connector.language in PYTHON_LANGUAGES and lockfile.kind(connector) in (
        "poetry.lock",
        "uv.lock",
        "requirements.txt",
    )


def folders(connector: Connector, packages: Sequence[Choice]) -> frozenset[Path]:
    """Returns the folders and files that this selection read, besides the connector's own folder."""
    origins = (item.origin for item in packages if isinstance(item.origin, FromDirectory))
    found = {trees.folder_of(origin, connector.folder) for origin in origins}
    ruling = {place for folder in found for place in trees.ruled_by(folder)}
    return frozenset(found | ruling | lockfile.included(connector))


# --- customization -------------------------------------------------------------------------------


def read_declaration(connector: Connector, base: Image, store: Store, user: str | None = None) -> Declared:
    """Returns the operations of build_customization.yaml; they precede those of the Python module.

    `user` is the image's user where the operations are applied, if it is not the base's.
    """
    path = connector.folder / customization.FILE
    if not path.exists():
        return Declared()
    shown = connector.path_of(customization.FILE)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorError(f"cannot read {shown}: {error}") from error
    user = str(base.config.execution.get("User") or "") if user is None else user
    return declarations.declared(customization.parse(text, shown), connector.folder, user, store)


def _owner(
    asked: Declared, store: Store, base: Base, evaluator: Evaluator, before: tuple[Operation, ...]
) -> tuple[int, int]:
    """Returns the owner of the code: the declared user, possibly of the pre hook, or the base's."""
    if asked.user is None:
        return add_code.owner(store, base)
    found = users.resolve(evaluator.tree(evaluator.state(before)), asked.user)
    return found.uid, found.gid


def _call(
    hook: Conversation | None,
    name: conversation.HookName,
    evaluator: Evaluator,
    below: tuple[Operation, ...],
    asked: tuple[Operation, ...],
) -> HookRecord:
    """Returns the declared operations (`asked`), then the hook's; questions are about all of them, on `below`."""
    if hook is None:
        return HookRecord(asked)

    def answer(question: Question) -> object:
        return evaluator.answer((*below, *asked), question)

    record = hook.call(name, answer)
    evaluator.keep_failures()
    return replace(record, operations=(*asked, *record.operations))


def _refuse_idle(hook: Conversation | None, connector: Connector) -> None:
    """Raises an error for a module without hooks: it is a mistake that would otherwise stay unnoticed."""
    if hook and not hook.hooks and hook.main_file is None:
        raise HookError(
            f"{connector.relative}/{conversation.MODULE} defines neither pre_connector_install nor"
            " post_connector_install",
            advice="rename its functions, or delete the file",
        )
