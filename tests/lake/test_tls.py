"""An object store behind TLS, with a certificate authority of the house and the bucket in the host name."""

import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from charts.errors import Unreachable
from charts.settings import Settings
from simulator.servers import Keys, ObjectStore, free_ports
from tables import s3
from tables.store import open_store

DOMAIN = "s3.test"
Key = ec.EllipticCurvePrivateKey


@dataclass
class Secured:
    """A store that speaks TLS, and whose certificates are vouched for by our own authority."""

    port: int
    authority: Path
    #: Every name of a host that was looked up.
    asked: list[str]


def certified(name: str, key: Key, by: x509.Name, signing: Key, *more: x509.ExtensionType) -> bytes:
    """A certificate, in PEM."""
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(
        issuer_name=by,
        subject_name=named(name),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(hours=1),
        not_valid_after=now + timedelta(days=1),
    )
    for extension in more:
        built = built.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return built.sign(signing, SHA256()).public_bytes(Encoding.PEM)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority, and the store's certificate and key."""
    folder = tmp_path_factory.mktemp("certificates")
    house, store = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = named("house")
    ours = (x509.BasicConstraints(ca=True, path_length=None), key_id(house))
    (folder / "ca.pem").write_bytes(certified("house", house, authority, house, *ours))
    names = x509.SubjectAlternativeName([x509.DNSName(DOMAIN), x509.DNSName(f"*.{DOMAIN}")])
    signed = x509.AuthorityKeyIdentifier.from_issuer_public_key(house.public_key())
    (folder / "store.pem").write_bytes(certified(DOMAIN, store, authority, house, names, signed))
    secret = store.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "store.key").write_bytes(secret)
    return folder


def key_id(key: Key) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


@pytest.fixture(scope="module")
def secure_store(
    certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ObjectStore, int]]:
    [port, *ports] = free_ports(1 + ObjectStore.PORTS)
    more = {
        "s3.port.https": port,
        "s3.cert.file": certificates / "store.pem",
        "s3.key.file": certificates / "store.key",
        "s3.domainName": DOMAIN,
    }
    keys = Keys(secrets.token_hex(8), secrets.token_hex(16))
    server = ObjectStore(tmp_path_factory.mktemp("secured"), ports, keys, more=more)
    server.start()
    try:
        server.wait()
        yield server, port
    finally:
        server.stop()


@pytest.fixture
def secured(
    secure_store: tuple[ObjectStore, int], certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> Secured:
    server, port = secure_store
    found = Secured(port, certificates / "ca.pem", [])
    look_up = socket.getaddrinfo

    def local(host: Any, *options: Any, **more: Any) -> Any:
        """A name server that knows the store's domain."""
        if isinstance(host, str) and host.endswith(DOMAIN):
            found.asked.append(host)
            host = "127.0.0.1"
        return look_up(host, *options, **more)

    monkeypatch.setattr(socket, "getaddrinfo", local)
    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    for name, value in {**server.environ, "AWS_ENDPOINT_URL": f"https://{DOMAIN}:{port}"}.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.mark.parametrize(("addressing", "host"), [("path", DOMAIN), ("virtual", f"charts.{DOMAIN}")])
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
async def test_the_bucket_is_where_it_should_be(
    secured: Secured, monkeypatch: pytest.MonkeyPatch, addressing: str, host: str, region: str
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secured.authority))
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    lake = f"s3://{ObjectStore.BUCKET}/{secrets.token_hex(4)}"
    body = secrets.token_bytes(6 << 20)
    async with open_store(Settings(lake_url=lake, s3_addressing=addressing)) as store:
        await store.put("raw/large", body)
        assert await store.get("raw/large") == body
        assert await store.put_new("raw/small", b"once")
        assert not await store.put_new("raw/small", b"twice")
        assert await store.get_end("raw/small", 2) == b"ce"
        assert [item.key for item in await store.items("raw/")] == ["raw/large", "raw/small"]
        assert await store.folders("") == ["raw"]
    assert set(secured.asked) == {host}


async def test_a_store_nobody_vouches_for_is_not_spoken_to(secured: Secured) -> None:
    async with open_store(Settings(lake_url=f"s3://{ObjectStore.BUCKET}/x")) as store:
        with pytest.raises(Unreachable, match="certificate"):
            await store.put("a", b"x")
