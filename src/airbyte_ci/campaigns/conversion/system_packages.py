"""Names of system packages: those of a base image, those for compiling, and Debian's names of Alpine's packages."""

import re

from airbyte_ci.base_images.catalog.catalog import BaseImageVersion

# In every official slim Python image on Debian, or needed for its Python.
_ALWAYS = frozenset(
    {
        *(
            "apt",
            "base-files",
            "bash",
            "ca-certificates",
            "coreutils",
            "debianutils",
            "dpkg",
            "findutils",
            "grep",
            "gzip",
        ),
        *("hostname", "libbz2-1.0", "libc-bin", "libc6", "libexpat1", "libffi8", "libgcc-s1", "liblzma5"),
        *(
            "libncursesw6",
            "libreadline8",
            "libsqlite3-0",
            "libssl3",
            "libstdc++6",
            "libuuid1",
            "login",
            "mawk",
            "mount",
        ),
        *("ncurses-base", "netbase", "passwd", "perl-base", "python3", "python3-pip", "sed", "tar", "tzdata"),
        *("util-linux", "zlib1g"),
    }
)
# Additions of later published bases, by the first version with them.
_PUBLISHED = "docker.io/airbyte/python-connector-base"
_ADDED = {"socat": "1.1.0", "tesseract-ocr": "1.2.0", "poppler-utils": "1.2.0"}
NLTK_SINCE = "1.2.0"

# Compilers and the like, on any distribution; also names that end in -dev or -devel.
_BUILD = frozenset(
    {
        *("autoconf", "automake", "binutils", "build-base", "build-essential", "cargo", "clang", "cmake", "g++", "gcc"),
        *("gfortran", "libtool", "linux-headers", "llvm", "make", "ninja-build", "patchelf", "pkg-config", "pkgconf"),
        *("rust", "rustc", "swig"),
    }
)
_BUILD_SUFFIX = re.compile(r"-(dev|devel|headers)$")

# Packages with another name on Debian. Headers are omitted, because nothing is compiled against Alpine's any more.
_FROM_ALPINE = {
    "font-noto": "fonts-noto-core",
    "freetype": "libfreetype6",
    "gcompat": "",
    "gdal": "gdal-bin",
    "geos": "libgeos-c1v5",
    "icu-libs": "libicu72",
    "jpeg": "libjpeg62-turbo",
    "krb5": "krb5-user",
    "krb5-libs": "libkrb5-3",
    "libc6-compat": "",
    "libffi": "libffi8",
    "libgcc": "libgcc-s1",
    "libgomp": "libgomp1",
    "libjpeg-turbo": "libjpeg62-turbo",
    "libmagic": "libmagic1",
    "libpq": "libpq5",
    "libressl": "openssl",
    "libstdc++": "libstdc++6",
    "libxml2": "libxml2",
    "libxslt": "libxslt1.1",
    "mariadb-connector-c": "libmariadb3",
    "openssh": "openssh-client",
    "openssl": "openssl",
    "postgresql-libs": "libpq5",
    "proj": "proj-bin",
    "py3-pip": "python3-pip",
    "sqlite": "sqlite3",
    "sqlite-libs": "libsqlite3-0",
    "tesseract-ocr-data-eng": "tesseract-ocr-eng",
    "tini": "tini",
    "ttf-dejavu": "fonts-dejavu-core",
    "unixodbc": "unixodbc",
    "zlib": "zlib1g",
}

# The same for Red Hat and similar distributions.
_FROM_RPM = {
    "bind-utils": "bind9-dnsutils",
    "bzip2-devel": "libbz2-dev",
    "cyrus-sasl-devel": "libsasl2-dev",
    "epel-release": "",
    "gcc-c++": "g++",
    "glibc": "",
    "glibc-devel": "libc6-dev",
    "gnupg2": "gnupg",
    "iputils": "iputils-ping",
    "krb5-devel": "libkrb5-dev",
    "krb5-libs": "libkrb5-3",
    "krb5-workstation": "krb5-user",
    "libaio": "libaio1",
    "libcurl-devel": "libcurl4-openssl-dev",
    "libffi-devel": "libffi-dev",
    "libgcc": "libgcc-s1",
    "libpq": "libpq5",
    "libpq-devel": "libpq-dev",
    "libstdc++": "libstdc++6",
    "libxml2-devel": "libxml2-dev",
    "libxslt": "libxslt1.1",
    "libxslt-devel": "libxslt1-dev",
    "mariadb-devel": "libmariadb-dev",
    "mysql-devel": "libmariadb-dev",
    "nmap-ncat": "ncat",
    "openldap-devel": "libldap2-dev",
    "openssh-clients": "openssh-client",
    "openssl-devel": "libssl-dev",
    "postgresql-devel": "libpq-dev",
    "postgresql-libs": "libpq5",
    "procps-ng": "procps",
    "readline-devel": "libreadline-dev",
    "redhat-rpm-config": "",
    "shadow-utils": "passwd",
    "sqlite": "sqlite3",
    "sqlite-devel": "libsqlite3-dev",
    "unixODBC": "unixodbc",
    "unixODBC-devel": "unixodbc-dev",
    "vim-enhanced": "vim",
    "which": "debianutils",
    "xz": "xz-utils",
    "xz-devel": "liblzma-dev",
    "yum-utils": "",
    "zlib": "zlib1g",
    "zlib-devel": "zlib1g-dev",
}
# The same name everywhere.
_SAME = frozenset(
    {
        *(
            "bzip2",
            "curl",
            "dos2unix",
            "file",
            "git",
            "jq",
            "less",
            "libxml2",
            "libxml2-utils",
            "lsof",
            "nano",
            "nginx",
        ),
        *("openssh-client", "openssh-server", "openssl", "procps", "rsync", "sshpass", "strace", "sudo", "tree"),
        *("unzip", "vim", "wget", "zip"),
    }
)


def is_given(name: str, base: BaseImageVersion) -> bool:
    """Returns whether the base image is known to have a Debian package."""
    if name in _ALWAYS:
        return True
    since = _ADDED.get(name)
    if since is None:
        return False
    if base.repository == _PUBLISHED:
        return base.semver >= since
    # Of other bases, only their description is known.
    return re.search(rf"\b{re.escape(name)}\b", base.changelog) is not None


def has_nltk_data(base: BaseImageVersion) -> bool:
    """Returns whether the base has NLTK's punkt and averaged_perceptron_tagger in NLTK's folders."""
    return base.repository == _PUBLISHED and base.semver >= NLTK_SINCE


def is_for_building(name: str) -> bool:
    """Returns whether only a compiler needs the package."""
    return name in _BUILD or _BUILD_SUFFIX.search(name) is not None


def on_debian(name: str, manager: str) -> tuple[str, bool]:
    """Returns Debian's name of another distribution's package, and whether it is a guess; empty if it is not needed."""
    if manager in ("apt", "apt-get", ""):
        return name, False
    known = _FROM_ALPINE if manager == "apk" else _FROM_RPM
    if name in known:
        return known[name], False
    if re.fullmatch(r"python3?\d*-devel", name):
        return "python3-dev", False
    if name in _SAME or name in _ALWAYS or name in _BUILD or name in _ADDED:
        return name, False
    if name.endswith("-devel"):
        return f"{'' if name.startswith('lib') else 'lib'}{name.removesuffix('-devel')}-dev", True
    return name, True
