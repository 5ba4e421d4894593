"""build_customization.lock: what counts as new, and what does not."""

import pytest

from airbyte_ci.build import approval
from airbyte_ci.build.approval import Kinds
from airbyte_ci.container.effect import Effect
from airbyte_ci.errors import ConnectorError

EFFECT = Effect(
    added=("usr/bin/jq", "etc/app/a", "usr/lib/x86_64-linux-gnu/own.so", "opt/a/b/c/d/e"),
    changed=("var/lib/dpkg/status", "etc/passwd"),
    removed=("usr/bin/less",),
    setuid=("opt/su",),
    packages={"jq": ("", "1.6"), "less": ("590", ""), "tar": ("1", "2")},
    variables={"A": (None, "1")},
    settings={"User": ("airbyte", None), "Labels": (None, {"a": "b"})},
    users=("app",),
    python={"My_Dist": ("", "1.0")},
    packaged=("usr/bin/jq", "var/lib/dpkg/status", "usr/bin/less"),
)
KINDS = Kinds(
    packages=("jq", "tar"),
    removed=("less",),
    python=("my-dist",),
    variables=("A",),
    settings=("Labels", "User=root"),
    folders=("/etc/app", "/opt/a/b", "/usr/lib/MULTIARCH"),
    replaced=("/etc/passwd",),
    setuid=("/opt/su",),
    users=("app",),
)


def test_kinds_are_names() -> None:
    """No version, no value, no architecture, no file that a package brought; and the text is read back as it was."""
    assert approval.kinds([EFFECT]) == approval.kinds([EFFECT, EFFECT]) == KINDS
    assert approval.parse(approval.text(KINDS, "source-x"), "x") == KINDS
    assert approval.parse(approval.text(Kinds(), "source-x"), "x") == Kinds()


def test_only_what_was_not_approved_is_new() -> None:
    """Each kind is named; what is gone is not new."""
    assert approval.new_since(KINDS, KINDS) == approval.new_since(KINDS, Kinds()) == ()
    assert approval.new_since(Kinds(packages=("jq",), settings=("User=airbyte",)), KINDS) == (
        *("package tar", "removed package less", "Python distribution my-dist", "variable A", "setting Labels"),
        *("setting User=root", "files in /etc/app", "files in /opt/a/b", "files in /usr/lib/MULTIARCH"),
        *("replaced file /etc/passwd", "set-user-ID file /opt/su", "user app"),
    )


@pytest.mark.parametrize("text", ["[]", "packages: jq", "packages: [1]", "other: []", "a: ["])
def test_another_text_is_refused(text: str) -> None:
    """In one line that names the file."""
    with pytest.raises(ConnectorError, match=r"^cannot read x/build_customization\.lock: [^\n]*$"):
        approval.parse(text, "x/build_customization.lock")
