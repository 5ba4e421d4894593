"""The kinds of facts that a comparison of images has, in the order of reports; `docs/compare.md` shows this table."""

from dataclasses import dataclass
from typing import Literal

KindId = Literal[
    "setting",
    "variable",
    "label",
    "system",
    "interpreter",
    "package",
    "distribution",
    "account",
    "certificate",
    "locale",
    "time zone",
    "file",
    "spec",
    "check",
    "discover",
    "read",
    "state",
    "traffic",
]


@dataclass(frozen=True, slots=True)
class FactKind:
    """One kind: its name for one and for several, and how its facts are read.

    Facts that `follows_base` belong to the operating system: a value of the new base image explains a change even if
    the old base image is unknown. The others are usually set by the connector.
    """

    id: KindId
    plural: str
    source: str
    follows_base: bool = False


KINDS = (
    FactKind("setting", "settings", "the configuration: user, folder, entrypoint, command, ports and others"),
    FactKind("variable", "variables", "the configuration's environment"),
    FactKind("label", "labels", "the configuration's labels"),
    FactKind("system", "facts of the system", "`os-release`, the C library", follows_base=True),
    FactKind("interpreter", "interpreters", "the Python on `PATH`: its version and its path", follows_base=True),
    FactKind("package", "packages", "the databases of dpkg, apk and rpm: names and versions", follows_base=True),
    FactKind("distribution", "distributions", "`site-packages`: names, versions and a hash of their installed files"),
    FactKind("account", "accounts", "`/etc/passwd` and `/etc/group`"),
    FactKind("certificate", "certificates", "bundles of trusted certificates, each by SHA-256", follows_base=True),
    FactKind("locale", "locales", "`LC_ALL`, `LANG` and the installed locales"),
    FactKind("time zone", "time zones", "`TZ`, `/etc/localtime` and `/etc/timezone`"),
    FactKind("file", "files", "other files: kind, mode, owner, content, target of a link", follows_base=True),
    FactKind("spec", "properties of the spec", "the answer to `spec`"),
    FactKind("check", "results of check", "the answer to `check`"),
    FactKind("discover", "streams of the catalog", "the answer to `discover`"),
    FactKind("read", "streams that were read", "the records of `read`, twice"),
    FactKind("state", "states", "the last state of each stream"),
    FactKind("traffic", "HTTP requests", "requests to servers, recorded from the old image"),
)
BY_ID = {kind.id: kind for kind in KINDS}
