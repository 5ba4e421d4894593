"""Names of system packages: what a base image gives, what only a compiler needs, and Alpine's names on Debian."""

import re

from airbyte_ci.base_images.catalogue import BaseImageVersion

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
# What later published bases added, by the version that first had it.
_PUBLISHED = "docker.io/airbyte/python-connector-base"
_ADDED = {"socat": "1.1.0", "tesseract-ocr": "1.2.0", "poppler-utils": "1.2.0"}
NLTK_SINCE = "1.2.0"

# Compilers and their like, on any distribution; so is whatever ends in -dev or -devel.
_BUILD = frozenset(
    {
        *("autoconf", "automake", "binutils", "build-base", "build-essential", "cargo", "clang", "cmake", "g++", "gcc"),
        *("gfortran", "libtool", "linux-headers", "llvm", "make", "ninja-build", "patchelf", "pkg-config", "pkgconf"),
        *("rust", "rustc", "swig"),
    }
)
_BUILD_SUFFIX = re.compile(r"-(dev|devel|headers)$")

# Where Debian calls it otherwise. Headers are not here: nothing is compiled against Alpine's any more.
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


def is_given(name: str, base: BaseImageVersion) -> bool:
    """Whether the base image has a Debian package already, as far as that is known of it."""
    if name in _ALWAYS:
        return True
    since = _ADDED.get(name)
    if since is None:
        return False
    if base.repository == _PUBLISHED:
        return base.semver >= since
    # Of other bases only their own words are known.
    return re.search(rf"\b{re.escape(name)}\b", base.changelog) is not None


def has_nltk_data(base: BaseImageVersion) -> bool:
    """Whether the base has NLTK's punkt and averaged_perceptron_tagger where NLTK finds them."""
    return base.repository == _PUBLISHED and base.semver >= NLTK_SINCE


def is_for_building(name: str) -> bool:
    """Whether only a compiler needs it."""
    return name in _BUILD or _BUILD_SUFFIX.search(name) is not None


def on_debian(alpine: str) -> str:
    """Debian's name of an Alpine package, empty where Debian needs none; the same name where nothing else is known."""
    return _FROM_ALPINE.get(alpine, alpine)
