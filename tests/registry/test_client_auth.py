"""Which registries receive logins, and when; tested against every authentication scheme."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from airbyte_ci.errors import AirbyteCiError
from airbyte_ci.oci.image import Image
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.store.store import Store
from airbyte_ci.registry.client import RegistryClient
from airbyte_ci.registry.credentials import Anonymous, Credential, CredentialSource, Fixed, FoundCredential
from airbyte_ci.registry.options import RegistryOptions
from airbyte_ci.testing.clients import quick_client
from airbyte_ci.testing.faults import Fault, Header
from airbyte_ci.testing.images import AMD64, random_image
from airbyte_ci.testing.logins import Login
from airbyte_ci.testing.registry import RegistryServer

USERS = {"me": "hunter2"}


@dataclass(frozen=True)
class Noted:
    """No login, and why."""

    def find(self, registry: str, repository: str) -> FoundCredential:
        return FoundCredential(None, ("docker-credential-x is not on the PATH",))


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return random_image(Store(tmp_path / "store"), seed=7)


def push_and_pull(registry: RegistryServer, source: CredentialSource, image: Image, folder: Path) -> None:
    target = Reference.parse(f"{registry.host}/acme/x:1")
    with quick_client(credentials=source) as client:
        client.push(Store(folder / "store"), image.digest, target)
        assert client.pull(target, AMD64, Store(folder / "pulled")) == image


def logins(registry: RegistryServer, **more: str) -> Fixed:
    return Fixed({registry.host: Credential("me", "hunter2") if not more else Credential(**more)})


@pytest.mark.parametrize(
    "login",
    [
        Login(),
        Login(scheme="basic", users=USERS),
        Login(scheme="bearer", users=USERS),
        Login(scheme="bearer", users=USERS, lifetime=None),
    ],
    ids=["open", "basic", "bearer", "bearer without expires_in"],
)
def test_every_scheme_lets_us_in(login: Login, image: Image, tmp_path: Path) -> None:
    """Push and pull work with every authentication scheme, and no credential is sent before a request for it."""
    with RegistryServer(login=login) as registry:
        push_and_pull(registry, logins(registry), image, tmp_path)
        assert "authorization" not in registry.requests()[0].headers
        if login.scheme == "":
            assert not any("authorization" in request.headers for request in registry.requests())


def test_identity_token_is_exchanged(image: Image, tmp_path: Path) -> None:
    """An identity token goes to the token service as a refresh token, and nowhere else."""
    login = Login(scheme="bearer", identities={"long-lived": "me"})
    with RegistryServer(login=login) as registry:
        push_and_pull(registry, logins(registry, identity_token="long-lived"), image, tmp_path)
        asked = registry.requests("token")
        assert {request.method for request in asked} == {"POST"}
        others = [request for request in registry.requests() if request.operation != "token"]
        assert not any("long-lived" in str(request) for request in others)


def test_public_image_needs_no_login(image: Image, tmp_path: Path) -> None:
    """Without a login, the client still requests a token, as public registries require."""
    with RegistryServer(login=Login(scheme="bearer", users=USERS)) as registry:
        registry.contents.put_image("acme/x", Store(tmp_path / "store"), image.digest, "1")
        with quick_client() as client:
            assert client.pull(Reference.parse(f"{registry.host}/acme/x:1"), AMD64, Store(tmp_path / "2"))
        assert not any("authorization" in request.headers for request in registry.requests("token"))


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_missing_login_says_what_to_do(scheme: str, image: Image, tmp_path: Path) -> None:
    """A push without a login ends with the command that gives one, and with why none was found."""
    with RegistryServer(login=Login(scheme=scheme, users=USERS)) as registry:
        expected = rf"answered 401.* → docker login {registry.host} \(docker-credential-x is not on the PATH\)"
        with pytest.raises(AirbyteCiError, match=expected):
            push_and_pull(registry, Noted(), image, tmp_path)


def test_one_token_serves_many_requests(image: Image, tmp_path: Path) -> None:
    """A push requests one token, even with many parallel requests."""
    with (
        RegistryServer(login=Login(scheme="bearer", users=USERS)) as registry,
        quick_client(credentials=logins(registry)) as client,
    ):
        store = Store(tmp_path / "store")
        many = random_image(store, seed=3, layers=20)
        client.push(store, many.digest, Reference.parse(f"{registry.host}/acme/x:1"))
        assert len(registry.requests("token")) == 1


def test_scopes_are_what_is_needed(image: Image, tmp_path: Path) -> None:
    """Reads request the scope pull, writes push; a mount adds pull of the source."""
    with (
        RegistryServer(login=Login(scheme="bearer", users=USERS)) as registry,
        quick_client(credentials=logins(registry)) as client,
    ):
        registry.contents.put_image("acme/base", Store(tmp_path / "store"), image.digest, "1")
        base, bare = Reference.parse(f"{registry.host}/acme/base:1"), Store(tmp_path / "bare")
        client.image(base, AMD64, bare)
        client.push(bare, image.digest, Reference.parse(f"{registry.host}/acme/x:1"), sources=[base])
        assert {request.query["scope"] for request in registry.requests("token")} == {
            ("repository:acme/base:pull",),
            ("repository:acme/x:pull,push",),
            ("repository:acme/x:pull,push", "repository:acme/base:pull"),
        }
        assert not registry.requests("put upload")


def test_expired_token_is_renewed_before_it_is_used(tmp_path: Path) -> None:
    """An expired token is not sent: the next request fetches another one first."""
    now = [0.0]
    with RegistryServer(login=Login(scheme="bearer", users=USERS, lifetime=60)) as registry:
        store = Store(tmp_path / "store")
        image = random_image(store)
        registry.contents.put_image("acme/x", store, image.digest, "1")
        reference = Reference.parse(f"{registry.host}/acme/x:1")
        with RegistryClient(RegistryOptions(), logins(registry), clock=lambda: now[0]) as client:
            for now[0], tokens in ((0.0, 1), (50.0, 1), (59.0, 2), (100.0, 2)):
                client.resolve(reference)
                assert len(registry.requests("token")) == tokens
            assert sum(item.status == 401 for item in registry.log) == 1


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="x", Bearer realm="{url}/token",service="test"',
        'Negotiate, Bearer realm="{url}/token",service="test",scope="repository:acme/x:pull"',
        'bearer Realm="{url}/token" , service=test',
    ],
)
def test_challenges_of_many_forms(challenge: str, image: Image, tmp_path: Path) -> None:
    """The first scheme that we know is used, however the header is written."""
    with (
        RegistryServer(login=Login(scheme="bearer", users=USERS)) as registry,
        quick_client(credentials=Anonymous()) as client,
    ):
        header = challenge.format(url=registry.url).removeprefix('Basic realm="x", ')
        registry.fail(Fault("head manifest", Header("WWW-Authenticate", header), None))
        registry.contents.put_image("acme/x", Store(tmp_path / "store"), image.digest, "1")
        assert client.resolve(Reference.parse(f"{registry.host}/acme/x:1")) == image.manifest.descriptor


def test_nothing_shows_a_secret() -> None:
    """Neither a credential nor what holds one shows its secret when it is printed."""
    credential = Credential("me", "hunter2", "long-lived", "somewhere")
    shown = repr(credential) + repr(Fixed({"host": credential})) + repr(FoundCredential(credential))
    assert "hunter2" not in shown
    assert "long-lived" not in shown
