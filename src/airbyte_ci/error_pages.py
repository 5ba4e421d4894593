"""Every error that has an id: what happened, why, and how to fix it.

An error has an id if its one line cannot explain it. `airbyte-ci explain ID` prints an entry, and `make reference`
generates docs/errors.md. Ids never change. A test compares the ids with those in the code, and each example with the
message of an error that has the id.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """The explanation of an id. `fixes` are sentences, the most usual first; commands in them are in backticks."""

    id: str
    title: str
    example: str
    cause: str
    fixes: Sequence[str]


# The sections of the page, with their entries.
SECTIONS: dict[str, Sequence[ErrorPage]] = {
    "Repository and configuration": (
        ErrorPage(
            id="repository-not-found",
            title="airbyte-ci found no repository of connectors, or no connector in it.",
            example="cannot find connectors from /home/ann: no .airbyte-ci.toml, "
            "airbyte-integrations/connectors, metadata.yaml or git repository in this folder or a folder above it",
            cause="Commands look for the repository in the current folder and in the folders above it. A connector is "
            "a folder with a metadata.yaml.",
            fixes=(
                "Change to the repository, or name it: `airbyte-ci --repo FOLDER connectors list`.",
                "If connectors are in other places, write a configuration with `airbyte-ci init`, and set "
                "`connectors` in it.",
            ),
        ),
        ErrorPage(
            id="configuration-unknown-key",
            title="The configuration has a key that airbyte-ci does not know.",
            example="cannot read .airbyte-ci.toml: line 4: unknown key 'conectors', did you mean connectors?",
            cause="A misspelled key would be ignored without notice, so it is an error. A newer version of airbyte-ci "
            "may know the key.",
            fixes=(
                "Correct the key. `airbyte-ci config show` lists all keys with their values.",
                "Let your editor complete keys: `airbyte-ci config schema` prints the JSON Schema.",
                "If colleagues use the key, install their version of airbyte-ci.",
            ),
        ),
        ErrorPage(
            id="selection-empty",
            title="No connector is selected.",
            example="no connector matches, so there is nothing to build",
            cause="Commands that change or build connectors need a selection, so that nobody builds a fleet by "
            "accident. All filters must match the same connector.",
            fixes=(
                "Try the filters with `airbyte-ci connectors … list`, which accepts an empty selection.",
                "Select one connector with `--name`, or all with `--all`.",
            ),
        ),
        ErrorPage(
            id="git-repository-missing",
            title="The command needs a commit of git, and the connectors are in none.",
            example="cannot find the branch to compare with: /home/ann/connectors is not a git repository that git "
            "can read",
            cause="The command compares commits, names the source of a release, or writes a commit. Git may also "
            "refuse a repository that another user owns.",
            fixes=(
                "Create a repository: `git init && git add -A && git commit`.",
                "In a container, allow the owner: `git config --global --add safe.directory FOLDER`.",
            ),
        ),
        ErrorPage(
            id="git-branch-unknown",
            title="airbyte-ci cannot find the commit with which to compare this branch.",
            example="cannot compare with origin/main: it has no common commit with this branch",
            cause="`--modified`, checks and pull requests compare with the branch into which you merge. CI systems "
            "often clone only the last commit, or only one branch.",
            fixes=(
                "Name the branch with `--diffed-branch`, for example `--diffed-branch=origin/main`.",
                "In CI, fetch the history: `fetch-depth: 0` of actions/checkout, or `git fetch --unshallow`.",
            ),
        ),
        ErrorPage(
            id="uncommitted-changes",
            title="Files that the command depends on differ from the commit.",
            example="cannot publish source-tides: connectors/source-tides/main.py differs from the commit",
            cause="A release names the commit of its source, and a delivered change must contain only that change. "
            "Uncommitted edits would be published without a source, or be lost.",
            fixes=(
                "Commit or stash the changes: `git status` lists them.",
                "To publish anyway, use `--allow-dirty`, which the release records.",
            ),
        ),
    ),
    "Lock files and packages": (
        ErrorPage(
            id="lock-missing",
            title="The connector has no lock file.",
            example="cannot build source-tides: connectors/source-tides has no lock file",
            cause="Without a lock, the same commit would install other packages tomorrow. airbyte-ci reads "
            "poetry.lock, uv.lock, pylock.toml and requirements files with hashes.",
            fixes=(
                "Create a lock: `airbyte-ci connectors --name=NAME lock`, and commit it.",
                "Or resolve at a fixed date: `--resolve-as-of=2024-04-01`, or `resolve-as-of` in the configuration.",
            ),
        ),
        ErrorPage(
            id="lock-out-of-date",
            title="The project's requirements changed after its lock was created.",
            example="source-tides/poetry.lock does not match pyproject.toml: the project changed after the lock was "
            "created",
            cause="The lock records the requirements for which it was created. They differ from pyproject.toml now, "
            "for example after a merge or an edit without `poetry lock`.",
            fixes=(
                "Create the lock again with its tool: `poetry lock`, `uv lock`, or `airbyte-ci connectors "
                "--name=NAME lock` for a pylock.toml. Commit the result.",
                "If pyproject.toml was changed by mistake, restore it.",
            ),
        ),
        ErrorPage(
            id="lock-damaged",
            title="The lock file cannot be read, or contradicts itself.",
            example="source-tides/poetry.lock has no content hash: it is truncated",
            cause="Usually a merge left conflict markers or joined two locks, or somebody edited the file. No tool "
            "would install the same packages from it.",
            fixes=(
                "Restore the file from git, or lock again with its tool. Do not edit locks by hand.",
                "After a merge conflict, take one side of pyproject.toml and lock again.",
            ),
        ),
        ErrorPage(
            id="lock-incomplete",
            title="An installed package requires a package or version that the lock does not have.",
            example="source-tides/poetry.lock: requests 2.31.0 needs idna, which is not in the lock",
            cause="The lock was created for another platform or Python, was edited, or replaces a package by a local "
            "or newer one with more requirements. The image would fail when it imports the package.",
            fixes=(
                "Lock again with the current tool, for all platforms.",
                "With `--use-local-cdk` or `--use-cdk-ref`, add the new requirements to pyproject.toml first.",
            ),
        ),
        ErrorPage(
            id="lock-for-other-python",
            title="The lock is for another Python than that of the base image.",
            example="source-tides/poetry.lock is for Python >=3.12, but the base image has Python 3.11.9",
            cause="The lock and pyproject.toml state which Pythons they support. The Python of an image is that of "
            "its base image, not that of your machine.",
            fixes=(
                "Choose a base image with a supported Python: `airbyte-ci base-images list` shows each one's Python.",
                "Or widen `requires-python` in pyproject.toml, and lock again.",
            ),
        ),
        ErrorPage(
            id="resolution-failed",
            title="No set of package versions satisfies all requirements.",
            example="cannot resolve the packages of connectors/source-tides: the requirements conflict: Because only "
            "six<=1.17.0 is available and you require six>=99, we can conclude that your requirements are "
            "unsatisfiable.",
            cause="Two requirements exclude each other, a version does not exist at the date of `--resolve-as-of`, or "
            "no index has the package. The reason is in the words of uv.",
            fixes=(
                "Widen one of the named requirements.",
                "Use a later date if the version is newer than `--resolve-as-of`.",
                "If the package is private, name its index: `airbyte-ci doctor` shows the indexes in use.",
            ),
        ),
        ErrorPage(
            id="no-wheel",
            title="A package has no file that can be installed on the image's Python and platform.",
            example="tides 1.0 has no wheel for Python 3.11.9 on aarch64 (glibc 2.36) and no sdist in the lock",
            cause="A wheel is for certain Pythons, processors and C libraries. Building an sdist for another "
            "processor would need a machine of that kind.",
            fixes=(
                "Lock a version that has a wheel for the platform.",
                "Build the wheel once, and publish it on your own index.",
                "Build this platform on a machine of its kind, or leave it out with `-a linux/amd64`.",
            ),
        ),
        ErrorPage(
            id="package-hash-mismatch",
            title="A downloaded package is not the file that was locked.",
            example="cannot fetch tides-1.0-py3-none-any.whl: the index has a file with this name but another hash "
            "(0f1e2d3c4b5a…, locked a1b2c3d4e5f6…)",
            cause="Somebody replaced the file on the index, a proxy changes downloads, or the lock was created with "
            "another index. Nothing was stored.",
            fixes=(
                "Compare the file with its origin before you trust it: published files never change on PyPI.",
                "Check that the index is the one of the lock, and that no proxy is in between.",
                "Only when you know the reason, lock again.",
            ),
        ),
        ErrorPage(
            id="package-not-found",
            title="No package index has a locked file.",
            example="cannot fetch tides-1.0-py3-none-any.whl: no index has it",
            cause="The file was deleted from the index, or it is on an index that airbyte-ci does not use. A package "
            "comes only from the index that its lock names.",
            fixes=(
                "Set the index as for pip or uv: PIP_INDEX_URL, UV_INDEX, pip.conf or uv.toml.",
                "If the version was deleted, lock another version.",
            ),
        ),
        ErrorPage(
            id="package-index-failed",
            title="The package index did not answer as expected.",
            example="cannot fetch tides-1.0-py3-none-any.whl: 503 Service Unavailable",
            cause="The index refused the login, failed, or cannot be reached. Requests are repeated before this error.",
            fixes=(
                "For 401 or 403, set the login in netrc, keyring or the index URL, as for pip.",
                "`airbyte-ci doctor` checks the connection, the proxy and the certificates.",
                "For 5xx, try again later; finished downloads are kept.",
            ),
        ),
        ErrorPage(
            id="sdist-build-failed",
            title="A package has no wheel, and building one from its sdist failed.",
            example="cannot build a wheel of tides-1.0.tar.gz: error: command 'gcc' failed: No such file or directory",
            cause="The build needs a compiler or a library that the build root lacks, or its build backend does not "
            "work with this Python. The lines below the message are the last ones of the build.",
            fixes=(
                "Name the Debian packages that it needs as `buildPackages` in build_customization.yaml. They are not "
                "in the image.",
                "Lock a version that has a wheel, or publish a wheel on your own index.",
            ),
        ),
        ErrorPage(
            id="not-cached",
            title="`--offline` is set, and the local store does not have everything.",
            example="cannot fetch tides-1.0-py3-none-any.whl: it is not cached, and --offline is set",
            cause="With `--offline` nothing is requested from the network. The store keeps what earlier commands "
            "fetched, until it is pruned.",
            fixes=("Run the command once without `--offline`.",),
        ),
    ),
    "Base images": (
        ErrorPage(
            id="base-image-missing",
            title="The connector has no base image in its metadata.",
            example="cannot build source-tides: its metadata names no base image, and it has a Dockerfile",
            cause="Images are built on `connectorBuildOptions.baseImage` in metadata.yaml. This connector still has a "
            "Dockerfile, or is new.",
            fixes=(
                "Replace the Dockerfile: `airbyte-ci connectors --name=NAME migrate_to_base_image`. `--dry-run` "
                "shows the change first.",
                "For one build, name a base image with `--base-image`.",
            ),
        ),
        ErrorPage(
            id="base-image-unknown",
            title="The catalog does not have this base image.",
            example="the catalog has no base image '9.9.9'",
            cause="airbyte-ci chooses only versions of its catalog. The version is misspelled, newer than the "
            "catalog, or of a repository of your own.",
            fixes=(
                "`airbyte-ci base-images list` shows the known versions.",
                "`airbyte-ci base-images refresh` reads newer versions from the registry.",
            ),
        ),
        ErrorPage(
            id="base-image-withdrawn",
            title="The base image was yanked, is built on a yanked one, or is no longer supported.",
            example="base image 2.0.0 is yanked: its OpenSSL is vulnerable",
            cause="The owners of the base images withdrew the version. Its images still run, but new ones would have "
            "the same fault.",
            fixes=(
                "Upgrade: `airbyte-ci connectors --name=NAME upgrade_base_image`.",
                "To push one image anyway, use `--allow-yanked`.",
            ),
        ),
        ErrorPage(
            id="base-image-for-python",
            title="No base image has a Python that the connector supports.",
            example="no base image for Python >=3.13 (python-connector-base 4.0.0 has Python 3.11)",
            cause="The Pythons that pyproject.toml and the lock support contain none of those in the catalog.",
            fixes=(
                "Widen `requires-python` in pyproject.toml, and lock again.",
                "Add a base image with that Python to the catalog: see `airbyte-ci base-images build --help`.",
            ),
        ),
        ErrorPage(
            id="base-image-without-digest",
            title="The address of an image has no digest.",
            example="'docker.io/airbyte/python-connector-base:4.0.0' has no digest, so it can change at any time",
            cause="A tag can point to another image tomorrow. Only a digest names the same bytes forever.",
            fixes=(
                "Let airbyte-ci write the address: `airbyte-ci connectors --name=NAME upgrade_base_image`.",
                "Or copy the full address from `airbyte-ci base-images list --json`.",
            ),
        ),
    ),
    "Customization and sandbox": (
        ErrorPage(
            id="customization-failed",
            title="build_customization.py raised an exception.",
            example="source-tides/build_customization.py failed: line 9: KeyError: 'TIDES_TOKEN'",
            cause="The module runs without the variables of your shell, without network, and sees only its own folder "
            "without secrets. The line is that of the module.",
            fixes=(
                "Read the line. If the message names a hidden file or variable, do not depend on it.",
                "`hook-environment` in the configuration passes variables to the module.",
                "Declare the change in build_customization.yaml, which needs no code.",
            ),
        ),
        ErrorPage(
            id="command-failed",
            title="A command of a customization failed in the image.",
            example="command 'apt-get install -y tides' failed in the image: exit code 100",
            cause="The command ran in the image so far, as its user and with its network. The lines below the message "
            "are its output.",
            fixes=(
                "Read the output. A package may be missing in the image's Debian release, or the command may need "
                "root.",
                "`airbyte-ci connectors --name=NAME build --show-hook` shows what the customization does.",
            ),
        ),
        ErrorPage(
            id="spec-failed",
            title="The image was built, but the connector does not start in it.",
            example="the built image does not answer `spec` (exit code 1):",
            cause="Every build ends with `spec`. The connector fails at once: a package or file is missing, or its "
            "entry point has another name. The quoted lines are its output.",
            fixes=(
                "Open a shell in the image with the printed command, and start the connector there.",
                "A ModuleNotFoundError names a package that the lock or the customization lacks.",
                "`--no-verify` builds without `spec`.",
            ),
        ),
        ErrorPage(
            id="not-reproducible",
            title="Two builds of the same commit differ.",
            example="source-tides is not reproducible: a second build from scratch created a different image: layer 3",
            cause="A command of the customization depends on the network, the time or chance. The message names the "
            "first file that differs.",
            fixes=(
                "Pin the versions that the command installs, or download a file with its hash.",
                "Delete logs, caches and files with dates in the same command.",
            ),
        ),
        ErrorPage(
            id="sandbox-unavailable",
            title="This machine cannot run commands in an image.",
            example="cannot run a command in an image: runc not found on this machine",
            cause="airbyte-ci runs `spec`, customizations and sdist builds in a sandbox without privileges. It needs "
            "runc and Linux 5.19, and either root or a user with subordinate IDs.",
            fixes=(
                "`airbyte-ci doctor` names what is missing and the command that fixes it.",
                "In a container, allow user namespaces.",
                "On macOS, or without runc, start Docker, colima or Podman: airbyte-ci continues in a Linux container.",
            ),
        ),
        ErrorPage(
            id="sandbox-network",
            title="The network of a sandbox cannot be set up.",
            example="cannot set up the network of a sandbox: slirp4netns reports 'open(\"/dev/net/tun\") failed'",
            cause="Commands of customizations reach the network through slirp4netns, which needs the device "
            "/dev/net/tun.",
            fixes=(
                "`airbyte-ci doctor` tries a connection from a sandbox, and names the fix.",
                "In a container, add the device: `--device /dev/net/tun`.",
            ),
        ),
    ),
    "Store": (
        ErrorPage(
            id="store-full",
            title="The disk of the local store has no space left.",
            example="writing to the store at /home/ann/.cache/airbyte-ci: the disk is full",
            cause="The store keeps layers, packages and images for later builds. The written parts were removed "
            "again, and nothing is damaged.",
            fixes=(
                "Prune it: `airbyte-ci store gc`. Builds warn above the size in AIRBYTE_CI_STORE_LIMIT.",
                "Move it to another disk with AIRBYTE_CI_HOME.",
            ),
        ),
        ErrorPage(
            id="store-not-writable",
            title="The local store cannot be written, or belongs to another user.",
            example="cannot open the store at /var/cache/airbyte-ci: it belongs to root, only the owner may use it",
            cause="Whoever can write the store decides what is in your images, so only its owner may use it. A store "
            "that root created with sudo belongs to root.",
            fixes=(
                "Run as the user that owns it, or set AIRBYTE_CI_HOME to a folder of your own.",
                "In CI, give each user a store of its own.",
            ),
        ),
        ErrorPage(
            id="store-damaged",
            title="A file in the local store is not what was stored.",
            example="reading sha256:0f1e2d3c4b5a from the store: its content was changed on disk",
            cause="The disk failed, or another program changed the file. Every file is verified when it is used, so "
            "no image contains the damage.",
            fixes=("Remove damaged files: `airbyte-ci store check --drop`. Then build again.",),
        ),
        ErrorPage(
            id="store-in-use",
            title="Another process prunes the local store.",
            example="cannot prune the store /home/ann/.cache/airbyte-ci: another process is pruning it",
            cause="Only one process removes files at a time. Builds are not affected.",
            fixes=("Wait until the other process has finished.",),
        ),
    ),
    "Registries": (
        ErrorPage(
            id="registry-login",
            title="The registry wants a login, or refuses the one that was sent (401).",
            example="ghcr.io answered 401 UNAUTHORIZED (authentication required)",
            cause="airbyte-ci uses the logins of Docker and Podman, and their credential helpers. The message "
            "may name the login that was sent.",
            fixes=(
                "`docker login HOST`, or `podman login HOST`.",
                "In CI, log in in an earlier step; a token may have expired.",
            ),
        ),
        ErrorPage(
            id="registry-access",
            title="The login is valid, but may not do this (403).",
            example="ghcr.io answered 403 DENIED (permission_denied: write_package)",
            cause="The user or token has no right to push or pull this repository. Some registries also answer 403 "
            "for a repository that does not exist.",
            fixes=(
                "Ask for the right to push, or create the repository first.",
                "On GitHub, a workflow needs `permissions: packages: write`.",
            ),
        ),
        ErrorPage(
            id="registry-not-found",
            title="The registry does not have the image (404).",
            example="docker.io answered 404 MANIFEST_UNKNOWN (manifest unknown)",
            cause="The name or digest is misspelled, the image was deleted, or it is private: some registries hide "
            "private images.",
            fixes=(
                "Check the spelling of the address.",
                "If it is private, `docker login HOST`.",
            ),
        ),
        ErrorPage(
            id="registry-rate-limit",
            title="The registry allows no more requests for now (429).",
            example="docker.io answered 429 TOOMANYREQUESTS (You have reached your pull rate limit)",
            cause="Registries limit requests for each user or address. airbyte-ci waits as the registry asks, and "
            "gives up after several attempts.",
            fixes=(
                "Log in: the limit for users is higher.",
                "Configure a mirror: `[mirrors]` in the configuration.",
            ),
        ),
        ErrorPage(
            id="registry-unavailable",
            title="The registry failed, or stopped responding (5xx).",
            example="ghcr.io answered 503 UNAVAILABLE (service unavailable)",
            cause="The fault is at the registry or a proxy before it. airbyte-ci repeated the request several times.",
            fixes=("Run the command again later. Layers that were pushed are not sent again.",),
        ),
        ErrorPage(
            id="registry-unreachable",
            title="No connection to the registry can be made.",
            example="the connection to localhost:5000 failed (Connection refused)",
            cause="The registry is not running, its name is not resolved, or a firewall or proxy is in between.",
            fixes=(
                "Check the name and the port: `curl -I https://HOST/v2/`.",
                "Behind a proxy, set HTTPS_PROXY and NO_PROXY.",
                "`airbyte-ci doctor` checks the registries of the repository.",
            ),
        ),
        ErrorPage(
            id="registry-certificate",
            title="The registry's TLS certificate is not trusted.",
            example="registry.acme.test has an untrusted TLS certificate (self-signed certificate)",
            cause="The certificate is self-signed, expired, or of a company's own authority, which this machine does "
            "not know. Credentials are not sent.",
            fixes=(
                "Set SSL_CERT_FILE to a file with your company's certificates.",
                "Renew an expired certificate. airbyte-ci has no option to ignore certificates.",
            ),
        ),
        ErrorPage(
            id="registry-without-tls",
            title="The registry, or a server that it names, does not use TLS.",
            example="registry.acme.test:5000 does not speak TLS",
            cause="Without TLS anyone in between can read credentials. Only addresses of this machine are used without "
            "it.",
            fixes=(
                "Give the registry a certificate.",
                "On a trusted network, add the host to `insecure-registries` in the configuration.",
            ),
        ),
        ErrorPage(
            id="registry-wrong-content",
            title="A registry sent other bytes than those of the digest.",
            example="registry.acme.test sent manifest sha256:0f1e2d3c4b5a instead of sha256:a1b2c3d4e5f6",
            cause="The registry is damaged, or a proxy changes what it sends. Nothing was stored.",
            fixes=("Do not use this registry or proxy until its owner knows the cause.",),
        ),
        ErrorPage(
            id="attachments-not-listed",
            title="The registry accepts signatures and provenance, but does not list them.",
            example="registry.acme.test does not list 2 of 3 attachments of sha256:0f1e2d3c4b5a",
            cause="Nobody could find the documents of the image. The registry does not support referrers (version "
            "1.1 of the OCI distribution specification), and did not keep the tag with their list either.",
            fixes=(
                "Use a registry that supports referrers, or a newer version of it.",
                "Or publish without documents: `--no-attachments`.",
            ),
        ),
    ),
    "Publishing and pull requests": (
        ErrorPage(
            id="tag-exists",
            title="This version is already published with other content.",
            example="localhost:5000/acme/source-tides:0.2.0 is already published with other content "
            "(there: sha256:0f1e2d3c4b5a, here: sha256:a1b2c3d4e5f6)",
            cause="Users rely on a version staying the same, so published versions are never overwritten. The code, "
            "the lock or the base image changed without a new version.",
            fixes=(
                "Increase the version: `airbyte-ci connectors --name=NAME bump_version patch`.",
                "`airbyte-ci connectors compare OLD NEW` shows what differs.",
                "`build --output=registry:… --force` overwrites a tag of your own registry.",
            ),
        ),
        ErrorPage(
            id="version-not-newer",
            title="The version to publish is below the newest published one.",
            example="version 0.2.0 is below 0.3.0, the newest version of localhost:5000/acme/source-tides",
            cause="The branch is older than the last release, or the version was not increased. `latest` would point "
            "to older code.",
            fixes=(
                "Merge the main branch, and increase the version with `bump_version`.",
                "To publish a commit for tests only, publish a pre-release: `--pre-release`.",
            ),
        ),
        ErrorPage(
            id="changelog-missing",
            title="There is no place for the changelog entry of the new version.",
            example="it has no documentation page, so there is no changelog for the new version",
            cause="Each new version gets a row in the changelog table of the connector's documentation page. The page "
            "or the table is missing, or the page has several tables.",
            fixes=(
                "Write the page that `documentationUrl` names, with a table "
                "`| Version | Date | Pull Request | Subject |` below `## Changelog`.",
                "If connectors have no such pages, set `changelog = false` in the configuration, or use "
                "`--no-changelog`.",
            ),
        ),
        ErrorPage(
            id="branch-taken",
            title="The branch for the change has commits that this run would overwrite.",
            example="the branch upgrade/source-tides has commits of others (0f1e2d3c4b 'Fix the tests'), so it was "
            "left as it is",
            cause="Somebody added commits to the branch of an earlier run, or the branch also has changes of other "
            "connectors.",
            fixes=(
                "Merge or delete the branch.",
                "Deliver to another branch with `--branch NAME`.",
            ),
        ),
        ErrorPage(
            id="push-rejected",
            title="The remote refused a branch.",
            example="cannot push upgrade/source-tides: ! [rejected] (stale info)",
            cause="The branch changed on the remote during the run, a rule protects it, or the token may not push. "
            "The message is git's.",
            fixes=(
                "Run the command again: it starts from the remote's current state.",
                "For a protected branch, choose another name with `--branch`.",
                "A token for GitHub needs the right `contents: write`.",
            ),
        ),
        ErrorPage(
            id="forge-token",
            title="Pull requests need a token, and there is none, or it is not valid.",
            example="cannot use pull requests in acme/connectors: no token is set",
            cause="airbyte-ci opens and reads pull requests by the API of GitHub or GitLab.",
            fixes=(
                "For GitHub, set GITHUB_TOKEN to a token with `contents: write` and `pull-requests: write`.",
                "For GitLab, set GITLAB_TOKEN to a token with the scope `api`.",
                "Or push only the branches: `--push`.",
            ),
        ),
    ),
    "Verification and plans": (
        ErrorPage(
            id="signature-missing",
            title="The image or one of its documents has no signature.",
            example="no signature was found",
            cause="The image was published without `--sign-key`, was copied without its attachments, or was not "
            "published by airbyte-ci.",
            fixes=(
                "Ask the publisher, or publish again with `connectors publish --sign-key`.",
                "When you copy images, copy their referrers too: `oras copy -r`, or `cosign copy`.",
            ),
        ),
        ErrorPage(
            id="signature-wrong",
            title="The image is signed, but not with the expected key, or not for this content.",
            example="no valid provenance: it is signed with another key",
            cause="The image is not from the expected publisher, the publisher changed the key, or somebody changed "
            "the document.",
            fixes=(
                "Do not use the image until you know the reason.",
                "Get the publisher's current public key from a trusted place, and verify again with `--key FILE`.",
            ),
        ),
        ErrorPage(
            id="provenance-mismatch",
            title="The provenance states something else than the image contains.",
            example="its provenance does not list the input 'tides-1.0-py3-none-any.whl' of the plan",
            cause="The document is about another build, or was written by hand.",
            fixes=(
                "Do not use the image. Ask the publisher to publish it again with airbyte-ci.",
                "`airbyte-ci verify --rebuild` shows whether the image can be built from its plan.",
            ),
        ),
        ErrorPage(
            id="rebuild-differs",
            title="The image cannot be built again to the same bytes.",
            example="built again, it is another image: layer 3 is sha256:0f1e2d3c4b5a instead of sha256:a1b2c3d4e5f6",
            cause="Another version of airbyte-ci made the image, or the image does not come from the plan that it "
            "names.",
            fixes=(
                "Verify with the version of airbyte-ci that the provenance names.",
                "If the same version differs, treat the image as not trustworthy, and report it.",
            ),
        ),
        ErrorPage(
            id="plan-of-other-version",
            title="Another version of airbyte-ci wrote the build plan.",
            example="cannot read plan.json: it was created by another version of airbyte-ci, with another schema",
            cause="A plan holds the versions of all formats that shape an image. With others, the image would have "
            "other bytes.",
            fixes=(
                "Install the version that wrote it: `uv tool install airbyte-ci==VERSION`.",
                "Or create the plan again: `build --print-plan`.",
            ),
        ),
        ErrorPage(
            id="plan-differs",
            title="The files of the connector are not those of the build plan.",
            example="cannot build the plan of source-tides: the code in connectors/source-tides differs from the code "
            "in the plan",
            cause="A plan names each input by digest. The connector changed after the plan was created.",
            fixes=("Check out the commit for which the plan was created, or create the plan again.",),
        ),
    ),
}

PAGES = {page.id: page for pages in SECTIONS.values() for page in pages}
