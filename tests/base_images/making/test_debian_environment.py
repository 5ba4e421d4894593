"""Debian's tools run without the settings of this machine's environment."""

import subprocess
from pathlib import Path

import pytest

from airbyte_ci.base_images.making import debian

SHAPING = {
    "DPKG_FORCE": "all",
    "DPKG_ROOT": "/nowhere",
    "DEB_BUILD_OPTIONS": "nodoc",
    "DEBCONF_DB_OVERRIDE": "File{/x}",
    "TAR_OPTIONS": "--mode=0777",
    "GZIP": "-1",
    "XZ_DEFAULTS": "-0",
    "ZSTD_CLEVEL": "1",
    "PERL5OPT": "-Mevil",
    "LC_COLLATE": "de_DE",
    "LANG": "de_DE",
    "LANGUAGE": "de",
    "LD_PRELOAD": "",
    "POSIXLY_CORRECT": "1",
}


def test_apt_reads_no_configuration_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that $APT_CONFIG names decides nothing, in any command of apt that is started."""
    (tmp_path / "apt.conf").write_text('Acquire::AllowInsecureRepositories "true"; APT::Evil "yes";')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    line = "apt-config dump | grep -q Evil"
    assert subprocess.run(["sh", "-c", line], check=False).returncode == 0, "apt would have read it"
    assert not debian._succeeds(["sh", "-c", line], tmp_path)


def test_no_variable_shapes_a_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of dpkg, tar, compressors, Perl and the locale are left out; proxies stay."""
    for name, value in SHAPING.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    found = debian._environment()
    assert not found.keys() & (SHAPING.keys() - {"LC_ALL"})
    assert (found["LC_ALL"], found["https_proxy"]) == ("C.UTF-8", "http://proxy.example:3128")
