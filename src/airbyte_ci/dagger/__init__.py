"""The API that hooks know as `dagger`: names and meanings of Dagger's Container, with no engine behind them.

Imports only the standard library and its own files by relative names, because the hook's own process loads this
package alone, as its module `dagger`.
"""

from .container import Container
from .directory import Directory, File
from .operations import (
    Ask,
    Content,
    Copy,
    Exec,
    ExposePort,
    Filter,
    FromContainer,
    Insert,
    Json,
    KeptFile,
    MakeLink,
    MountCache,
    MountContents,
    MountSecret,
    MountTemporary,
    Narrow,
    NewFile,
    NewFolder,
    NewLink,
    Operation,
    Question,
    Remove,
    SetAnnotation,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetSecretVariable,
    SetUser,
    SetVariable,
    SetWorkdir,
    UnexposePort,
    Unmount,
    UnsetAnnotation,
    UnsetLabel,
    UnsetSecretVariable,
    UnsetVariable,
    Without,
    WriteFile,
    contents_from_json,
    contents_to_json,
    from_json,
    to_json,
)
from .session import (
    Client,
    Config,
    Connection,
    DaggerError,
    ExecError,
    Host,
    ProvisionError,
    QueryError,
    connect,
    connection,
    dag,
)
from .values import (
    CacheSharingMode,
    CacheVolume,
    EnvVariable,
    ImageLayerCompression,
    ImageMediaTypes,
    Label,
    NetworkProtocol,
    Platform,
    ReturnType,
    Secret,
    Unsupported,
)

__all__ = [
    "Ask",
    "CacheSharingMode",
    "CacheVolume",
    "Client",
    "Config",
    "Connection",
    "Container",
    "Content",
    "Copy",
    "DaggerError",
    "Directory",
    "EnvVariable",
    "Exec",
    "ExecError",
    "ExposePort",
    "File",
    "Filter",
    "FromContainer",
    "Host",
    "ImageLayerCompression",
    "ImageMediaTypes",
    "Insert",
    "Json",
    "KeptFile",
    "Label",
    "MakeLink",
    "MountCache",
    "MountContents",
    "MountSecret",
    "MountTemporary",
    "Narrow",
    "NetworkProtocol",
    "NewFile",
    "NewFolder",
    "NewLink",
    "Operation",
    "Platform",
    "ProvisionError",
    "QueryError",
    "Question",
    "Remove",
    "ReturnType",
    "Secret",
    "SetAnnotation",
    "SetDefaultArguments",
    "SetEntrypoint",
    "SetLabel",
    "SetSecretVariable",
    "SetUser",
    "SetVariable",
    "SetWorkdir",
    "UnexposePort",
    "Unmount",
    "UnsetAnnotation",
    "UnsetLabel",
    "UnsetSecretVariable",
    "UnsetVariable",
    "Unsupported",
    "Without",
    "WriteFile",
    "connect",
    "connection",
    "contents_from_json",
    "contents_to_json",
    "dag",
    "from_json",
    "to_json",
]

# Dagger types that hooks use only in annotations.
_NAMES = frozenset(
    {
        *("Service", "Socket", "Port", "PortForward", "BuildArg", "PipelineLabel", "Changeset", "EnvFile", "Volume"),
        *("GitRepository", "GitRef", "Module", "Stat", "ExistsType", "FileType"),
        *("ContainerID", "DirectoryID", "FileID", "SecretID", "CacheID", "CacheVolumeID", "EnvVariableID"),
    }
)


def __getattr__(name: str) -> Json:
    """Returns a placeholder type for an annotation; any other unsupported name of Dagger raises an error."""
    if name in _NAMES:
        globals()[name] = found = type(name, (), {"__doc__": "Named by annotations only."})
        return found
    if name.startswith("__"):
        raise AttributeError(name)
    raise Unsupported(f"dagger.{name} is not provided by airbyte-ci")
