"""Interpreters of imagined images, as their Python would describe itself."""

from airbyte_ci.python.interpreter.interpreter import Interpreter

PREFIX = "/usr/local"


def cpython(version: str = "3.11.2", machine: str = "x86_64", libc: str = "glibc 2.36") -> Interpreter:
    """A CPython in the layout of the official images."""
    minor = ".".join(version.split(".")[:2])
    site = f"{PREFIX}/lib/python{minor}/site-packages"
    return Interpreter(
        executable=f"{PREFIX}/bin/python{minor}",
        version=version,
        cache_tag=f"cpython-{minor.replace('.', '')}",
        purelib=site,
        platlib=site,
        scripts=f"{PREFIX}/bin",
        data=PREFIX,
        headers=f"{PREFIX}/include/python{minor}",
        site=(site,),
        libc=libc,
        markers={
            "implementation_name": "cpython",
            "implementation_version": version,
            "os_name": "posix",
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": version,
            "python_version": minor,
            "sys_platform": "linux",
        },
    )
