"""Operations that change how an image runs and the mounts of commands: a state → the next one. Nothing runs."""

from dataclasses import replace

from airbyte_ci.dagger import (
    ExposePort,
    MountCache,
    MountSecret,
    MountTemporary,
    Operation,
    SetAnnotation,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetSecretVariable,
    SetUser,
    SetVariable,
    SetWorkdir,
    UnexposePort,
    UnsetAnnotation,
    UnsetLabel,
    UnsetSecretVariable,
    UnsetVariable,
)
from airbyte_ci.recipe.state import State


def apply(state: State, operation: Operation) -> State | None:
    """The state after the operation; None for one that makes files."""
    match operation:
        case SetVariable(name, value, expand):
            return state.with_environment({**state.environment, name: state.expanded(value, expand=expand)})
        case UnsetVariable(name):
            return state.with_environment({k: v for k, v in state.environment.items() if k != name})
        case SetUser(user):
            return state.with_execution("User", user)
        case SetWorkdir(path, expand):
            return state.with_execution("WorkingDir", state.absolute(path, expand=expand))
        case SetEntrypoint(arguments):
            return state.with_execution("Entrypoint", list(arguments))
        case SetDefaultArguments(arguments):
            return state.with_execution("Cmd", list(arguments))
        case SetLabel(name, value):
            return state.with_execution("Labels", {**(state.execution.get("Labels") or {}), name: value})
        case UnsetLabel(name):
            return state.with_execution("Labels", _without(state.execution.get("Labels"), name))
        case ExposePort(port):
            return state.with_execution("ExposedPorts", {**(state.execution.get("ExposedPorts") or {}), port: {}})
        case UnexposePort(port):
            return state.with_execution("ExposedPorts", _without(state.execution.get("ExposedPorts"), port))
        case SetAnnotation(name, value):
            return replace(state, annotations={**state.annotations, name: value})
        case UnsetAnnotation(name):
            return replace(state, annotations={k: v for k, v in state.annotations.items() if k != name})
        case SetSecretVariable(name, _, digest):
            return replace(state, secrets={**state.secrets, name: digest})
        case UnsetSecretVariable(name):
            return replace(state, secrets={k: v for k, v in state.secrets.items() if k != name})
        case MountCache() | MountTemporary() | MountSecret():
            place = state.absolute(operation.path, expand=operation.expand)
            others = (item for item in state.lending if item[0] != place)
            return replace(state, lending=(*others, (place, operation)))
    return None


def _without(table: object, name: str) -> dict[str, object]:
    return {key: value for key, value in (table or {}).items() if key != name} if isinstance(table, dict) else {}
