"""The Dagger-shaped Container that hooks receive: an immutable recipe of operations that can be awaited.

It knows neither images nor the execution of operations: a function answers its questions.
"""

from collections.abc import Callable, Sequence

from . import operations as op
from .configured import Configured
from .directory import Directory, File, one_of
from .operations import Ask, FromContainer, Json, Operation, Question
from .record import replaced, value
from .values import CacheVolume, EnvVariable, Label, Platform, Secret, refuse_flags, text, texts


@value
class Container(Configured):
    """A container that a hook builds up. Every `with_…` returns a new one; nothing runs until a value is requested."""

    operations: tuple[Operation, ...] = ()
    ask: Ask | None = None
    _hidden = ("ask",)

    def _then(self, *operations: Operation) -> "Container":
        return replaced(self, operations=(*self.operations, *operations))

    def _relative(self, source: Directory | File) -> tuple[op.Content, ...]:
        return op.relative(source._contents, self.operations)

    def _question(self, about: str, argument: str = "") -> Json:
        if self.ask is None:
            raise RuntimeError("this container is only a recipe; nothing can evaluate it here")
        return self.ask(Question(about, self.operations, argument))

    def with_(self, cb: "Callable[[Container], Container]") -> "Container":
        return cb(self)

    # --- commands --------------------------------------------------------------------------------

    def with_exec(
        self,
        args: Sequence[str],
        skip_entrypoint: bool | None = None,  # noqa: ARG002  # accepted: not prepending is our only default
        stdin: str | None = None,
        redirect_stdout: str | None = None,
        redirect_stderr: str | None = None,
        experimental_privileged_nesting: bool | None = None,
        insecure_root_capabilities: bool | None = None,
        *,
        use_entrypoint: bool | None = None,
        redirect_stdin: str | None = None,
        expect: str | None = None,
        expand: bool | None = None,
        no_init: bool | None = None,  # noqa: ARG002  # there is no init process to leave out
    ) -> "Container":
        """Runs a command. The image's entrypoint is prepended only when `use_entrypoint` is true."""
        refuse_flags(
            "with_exec",
            experimental_privileged_nesting=experimental_privileged_nesting,
            insecure_root_capabilities=insecure_root_capabilities,
        )
        expected = str(getattr(expect, "value", expect) or "SUCCESS")
        if expected not in ("SUCCESS", "FAILURE", "ANY"):
            raise TypeError(f"with_exec(expect={expect!r}) is not a value of ReturnType")
        return self._then(
            op.Exec(
                texts("with_exec", args),
                text("with_exec(stdin=…)", stdin or ""),
                bool(use_entrypoint),
                expected,
                redirect_stdin or "",
                redirect_stdout or "",
                redirect_stderr or "",
                bool(expand),
            )
        )

    # --- files -----------------------------------------------------------------------------------

    def with_new_file(
        self,
        path: str,
        contents: str = "",
        permissions: int | None = None,
        owner: str | None = None,
        expand: bool | None = None,
    ) -> "Container":
        mode = 0o644 if permissions is None else permissions
        return self._then(op.WriteFile(path, contents, mode, owner or "", bool(expand)))

    def with_file(
        self,
        path: str,
        source: File,
        permissions: int | None = None,
        owner: str | None = None,
        expand: bool | None = None,
    ) -> "Container":
        if not isinstance(source, File):
            raise TypeError(f"with_file takes a File as its source, not {source!r:.80}")
        mode = -1 if permissions is None else permissions
        return self._then(op.Copy(source.placed(path), self._relative(source), owner or "", mode, expand=bool(expand)))

    def with_files(
        self,
        path: str,
        sources: Sequence[File],
        permissions: int | None = None,
        owner: str | None = None,
        expand: bool | None = None,
    ) -> "Container":
        changed = self
        for source in sources:
            changed = changed.with_file(f"{path.rstrip('/')}/", source, permissions, owner, expand)
        return changed

    def with_directory(
        self,
        path: str,
        source: Directory | None = None,
        exclude: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
        owner: str | None = None,
        *,
        directory: Directory | None = None,
        gitignore: bool | None = None,
        expand: bool | None = None,
        permissions: int | None = None,
    ) -> "Container":
        refuse_flags("with_directory", gitignore=gitignore)
        chosen = one_of("with_directory", source, directory)
        patterns = texts("include", include or ()), texts("exclude", exclude or ())
        mode = -1 if permissions is None else permissions
        return self._then(op.Copy(path, self._relative(chosen), owner or "", mode, *patterns, bool(expand)))

    def with_symlink(self, target: str, link_name: str, expand: bool | None = None) -> "Container":
        return self._then(op.MakeLink(link_name, target, bool(expand)))

    def without_file(self, path: str, expand: bool | None = None) -> "Container":
        return self._then(op.Remove((path,), bool(expand)))

    def without_files(self, paths: Sequence[str], expand: bool | None = None) -> "Container":
        return self._then(op.Remove(texts("without_files", paths), bool(expand)))

    def without_directory(self, path: str, expand: bool | None = None) -> "Container":
        return self._then(op.Remove((path,), bool(expand)))

    # --- mounts: what commands see and the image does not have -----------------------------------

    def with_mounted_directory(
        self,
        path: str,
        source: Directory,
        owner: str | None = None,
        read_only: bool | None = None,
        expand: bool | None = None,
    ) -> "Container":
        refuse_flags("with_mounted_directory", read_only=read_only)
        chosen = one_of("with_mounted_directory", source, None)
        return self._then(op.MountContents(path, self._relative(chosen), owner or "", bool(expand)))

    def with_mounted_file(
        self, path: str, source: File, owner: str | None = None, expand: bool | None = None
    ) -> "Container":
        if not isinstance(source, File):
            raise TypeError(f"with_mounted_file takes a File as its source, not {source!r:.80}")
        return self._then(op.MountContents(path, self._relative(source), owner or "", bool(expand)))

    def with_mounted_cache(
        self,
        path: str,
        cache: CacheVolume,
        source: Directory | None = None,
        sharing: str | None = None,
        owner: str | None = None,
        expand: bool | None = None,
    ) -> "Container":
        refuse_flags("with_mounted_cache", source=source)
        if not isinstance(cache, CacheVolume):
            raise TypeError(f"with_mounted_cache takes a CacheVolume, not {cache!r:.80}")
        locked = str(getattr(sharing, "value", sharing)) in ("LOCKED", "PRIVATE")
        return self._then(op.MountCache(path, cache._key, locked, owner or "", bool(expand)))

    def with_mounted_temp(self, path: str, size: int | None = None, expand: bool | None = None) -> "Container":
        return self._then(op.MountTemporary(path, size or 0, bool(expand)))

    def with_mounted_secret(
        self,
        path: str,
        source: Secret,
        owner: str | None = None,
        mode: int | None = None,
        expand: bool | None = None,
    ) -> "Container":
        if not isinstance(source, Secret):
            raise TypeError(f"with_mounted_secret takes a Secret, not {source!r:.80}")
        self._tell(source)
        permissions = 0o400 if mode is None else mode
        mounted = op.MountSecret(path, source._name, source._digest, owner or "", permissions, bool(expand))
        return self._then(mounted)

    def without_mount(self, path: str, expand: bool | None = None) -> "Container":
        return self._then(op.Unmount(path, bool(expand)))

    def with_secret_variable(self, name: str, secret: Secret) -> "Container":
        if not isinstance(secret, Secret):
            raise TypeError(f"with_secret_variable takes a Secret, not {secret!r:.80}")
        self._tell(secret)
        return self._then(op.SetSecretVariable(name, secret._name, secret._digest))

    def without_secret_variable(self, name: str) -> "Container":
        return self._then(op.UnsetSecretVariable(name))

    def _tell(self, secret: Secret) -> None:
        """Passes the value to the process that runs commands, separately from the recipe."""
        if self.ask is not None:
            self.ask(Question("secret", (), "", secrets={secret._digest: secret._value}))

    # --- questions -------------------------------------------------------------------------------

    async def stdout(self) -> str:
        """Returns what the last command printed; runs everything before it."""
        return str(self._question("stdout"))

    async def stderr(self) -> str:
        return str(self._question("stderr"))

    async def exit_code(self) -> int:
        return int(self._question("exit_code"))

    async def sync(self) -> "Container":
        """Evaluates the recipe so far."""
        self._question("sync")
        return self

    async def env_variable(self, name: str) -> str | None:
        value = self._question("variable", name)
        return None if value is None else str(value)

    async def env_variables(self) -> list[EnvVariable]:
        return [EnvVariable(str(name), str(value)) for name, value in self._question("variables").items()]

    async def label(self, name: str) -> str | None:
        value = self._question("label", name)
        return None if value is None else str(value)

    async def labels(self) -> list[Label]:
        return [Label(str(name), str(value)) for name, value in self._question("labels").items()]

    async def user(self) -> str:
        return str(self._question("user"))

    async def workdir(self) -> str:
        return str(self._question("workdir"))

    async def entrypoint(self) -> list[str]:
        return [str(argument) for argument in self._question("entrypoint")]

    async def default_args(self) -> list[str]:
        return [str(argument) for argument in self._question("default_args")]

    async def mounts(self) -> list[str]:
        return [str(path) for path in self._question("mounts")]

    async def platform(self) -> Platform:
        return Platform(self._question("platform"))

    async def exists(
        self,
        path: str,
        expected_type: object = None,
        do_not_follow_symlinks: bool | None = None,
        expand: bool | None = None,
    ) -> bool:
        refuse_flags("exists", expected_type=expected_type, do_not_follow_symlinks=do_not_follow_symlinks)
        refuse_flags("exists", expand=expand)
        return bool(self._question("exists", path))

    def file(self, path: str, expand: bool | None = None) -> File:
        name = path.rstrip("/").rpartition("/")[2]
        return File((FromContainer(self.operations, path, bool(expand)),), self.ask, name)

    def directory(self, path: str, expand: bool | None = None) -> Directory:
        return Directory((FromContainer(self.operations, path, bool(expand)),), self.ask)

    def rootfs(self) -> Directory:
        return self.directory("/")

    def fs(self) -> Directory:
        """The old name of `rootfs`."""
        return self.rootfs()
