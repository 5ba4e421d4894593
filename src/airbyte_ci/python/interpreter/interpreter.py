"""The image's Python: version, tags, folders, marker environment and libc, as the interpreter reports them.

The caller runs the interpreter in an image.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags

from airbyte_ci.documents import load_json
from airbyte_ci.errors import ImageError

# Facts about the running kernel would make the environment depend on the build machine, so they stay empty.
PROBE = """
import glob, json, os, platform, subprocess, sys, sysconfig
paths = sysconfig.get_paths()
implementation = sys.implementation.version
version = "{0.major}.{0.minor}.{0.micro}".format(implementation)
if implementation.releaselevel != "final":
    version += implementation.releaselevel[0] + str(implementation.serial)
# Where distributions are found: all of the path but the standard library. -I leaves out what the image's variable adds.
library = {os.path.realpath(paths["stdlib"]), os.path.realpath(paths["platstdlib"])}
places = [paths["purelib"], paths["platlib"], *sys.path, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
site = []
for place in (os.path.realpath(place) for place in places if os.path.isabs(place)):
    if place not in ("/", *library, *site) and os.path.basename(place) != "lib-dynload":
        if os.path.isdir(place) or place == os.path.realpath(paths["purelib"]):
            site.append(place)
# A virtual environment has Python's own headers from elsewhere; those of packages go where pip puts them.
headers = paths["include"]
if sys.prefix != sys.base_prefix:
    headers = "{0}/include/site/python{1.major}.{1.minor}".format(sys.prefix, implementation)
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (AttributeError, ValueError, OSError):
    libc = ""
if not libc:
    # musl tells its version when its loader is run alone (PEP 656).
    for loader in sorted(glob.glob("/lib/ld-musl-*.so.1")):
        said = subprocess.run([loader], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL).stderr.decode()
        libc = "".join("musl " + line[8:].strip() for line in said.splitlines() if line.startswith("Version ")) or libc
print(json.dumps({
    "executable": sys.executable,
    "version": platform.python_version(),
    "cache_tag": sys.implementation.cache_tag,
    "purelib": paths["purelib"], "platlib": paths["platlib"],
    "scripts": paths["scripts"], "data": paths["data"], "headers": headers,
    "site": site, "library": sorted(library),
    "libc": libc,
    "markers": {
        "implementation_name": sys.implementation.name,
        "implementation_version": version,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": "",
        "platform_system": platform.system(),
        "platform_version": "",
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    },
}, sort_keys=True))
"""
# The oldest glibc for which manylinux wheels exist (PEP 599), per architecture.
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
_LEGACY_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """One CPython of an image.

    Paths are absolute in the image; `markers` is the PEP 508 environment. `site` are the folders of distributions, in
    the order of its path, without symbolic links. `library` are the folders of the standard library.
    """

    executable: str
    version: str
    cache_tag: str
    purelib: str
    platlib: str
    scripts: str
    data: str
    headers: str
    site: tuple[str, ...]
    libc: str
    markers: Mapping[str, str]
    library: tuple[str, ...] = ()

    @classmethod
    def parse(cls, answer: str) -> "Interpreter":
        """Parses the output of `PROBE`; raises ImageError for anything else."""
        try:
            found = cls.from_json(load_json(answer.strip().splitlines()[-1]))
            found.tags()  # Validates the report before other code relies on it.
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ImageError(f"the image's Python did not report its configuration ({error})") from error
        return found

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Interpreter":
        return cls(**{**document, "site": tuple(document["site"]), "library": tuple(document["library"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def minor(self) -> tuple[int, int]:
        """Returns the version as a tuple, such as (3, 11)."""
        major, minor = self.markers["python_version"].split(".")[:2]
        return int(major), int(minor)

    def tags(self) -> list[Tag]:
        """Returns the wheel tags that this interpreter accepts, best first (PEP 425, PEP 600)."""
        major, minor = self.minor
        abi = f"cp{major}{minor}"
        platforms = list(self._platforms())
        return [
            *cpython_tags((major, minor), abis=[abi], platforms=platforms),
            *compatible_tags((major, minor), interpreter=abi, platforms=platforms),
        ]

    def _platforms(self) -> Iterator[str]:
        machine = self.markers["platform_machine"]
        name, _, version = self.libc.partition(" ")
        if name == "glibc":
            newest = int(version.split(".")[1])
            for minor in range(newest, _OLDEST_GLIBC.get(machine, 17) - 1, -1):
                yield f"manylinux_2_{minor}_{machine}"
                if minor in _LEGACY_MANYLINUX:
                    yield f"{_LEGACY_MANYLINUX[minor]}_{machine}"
        else:  # For a musl without a version: 1.2 has been the stable series since 2020.
            for minor in range(int(version.split(".")[1]) if name == "musl" else 2, 0, -1):
                yield f"musllinux_1_{minor}_{machine}"
        yield f"linux_{machine}"
