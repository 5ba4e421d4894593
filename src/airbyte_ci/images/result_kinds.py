"""Which kinds of stored actions are valid on other machines. A test finds each kind that is not listed here."""

from airbyte_ci.oci.exchange.contents import ResultKinds

PORTABLE = ResultKinds(
    making=frozenset(
        {
            "build tools",
            "bytecode",
            "contents",
            "distribution",
            "exec",
            "file segment",
            "git tree",
            "image",
            "installed",
            "layer",
            "recompress",
            "removals",
            "sdist",
            "standard library bytecode",
            "standard library sources",
            "wheel",
        }
    ),
    naming=frozenset(
        {
            "effect of a customization",
            "foreign inventory",
            "inventory",
            "java account",
            "libraries of a wheel",
            "libraries of an image",
            "metadata",
            "metadata of a wheel",
            "owner",
            "packages of a layer",
            "requirement",
            "requirement graph",
            "resolution",
            "spec",
            "wheel metadata",
            "wheels of a layer",
        }
    ),
)

# Checks whose results must be found on each machine, failures, and facts about this machine's files and servers.
LOCAL = frozenset(
    {
        "base-contract",
        "base-image",
        "connector-built",
        "connector-results",
        "connector-tested",
        "debian-root",
        "docker-image",
        "failure",
        "fingerprint",
        "found",
        "sanity-checks",
        "selection",
        "snapshot",
        "standing",
        "trusted base image",
        "unknown metadata",
    }
)
# Kinds of keys that are part of other keys and name no stored action.
PARTS = frozenset({"environment", "environment layers"})
