"""The door's certificate."""

import datetime as dt
import hashlib
import ssl
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from myriad.errors import SettingsError
from myriad.home.home import Home
from myriad.running import tls
from myriad.settings import Settings


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make(folder: Path, name: str, *options: str, key: str = "rsa:2048") -> Settings:
    """Make a certificate with the OpenSSL that administrators use."""
    certificate, private = folder / f"{name}.crt", folder / f"{name}.key"
    subject = ("req", "-x509", "-newkey", key, "-nodes", "-subj", "/CN=myriad")
    openssl(*subject, "-keyout", private, "-out", certificate, *options)
    return Settings(tls_certificate=str(certificate), tls_key=str(private))


@pytest.fixture
def made(home: Home) -> Home:
    home.create()
    return home


def test_without_one_set_a_self_signed_one_is_made_once(made: Home) -> None:
    first = tls.prepare(made, Settings())
    for name in (first.certificate, first.key):
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
        assert Path(name).parent == made.secrets
    assert tls.prepare(made, Settings(tls="require")).binding == first.binding
    # With SHA-256 in its signature the hash is that of the whole certificate.
    text = ssl.PEM_cert_to_DER_cert(Path(first.certificate).read_text())
    assert first.binding == hashlib.sha256(text).hexdigest()


def names(path: str) -> set[str]:
    found = x509.load_pem_x509_certificate(Path(path).read_bytes())
    extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {str(name.value) for name in extension.value}


def test_it_names_this_machine_and_the_address_set(made: Home) -> None:
    first = tls.prepare(made, Settings())
    assert {"localhost", "127.0.0.1", "::1"} <= names(first.certificate)
    other = tls.prepare(made, Settings(host="192.0.2.7", tls="require"))
    assert other.binding != first.binding
    assert "192.0.2.7" in names(other.certificate)


def shake_hands(server: ssl.SSLObject, client: ssl.SSLObject, wires: list[ssl.MemoryBIO]) -> None:
    """Let both finish; `wires` are what the server reads and what it wrote, then the client's."""
    to_server, from_server, to_client, from_client = wires
    for _ in range(5):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
        to_server.write(from_client.read())
        to_client.write(from_server.read())


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_clients_can_verify_it_fully_given_the_file(made: Home, name: str) -> None:
    own = tls.prepare(made, Settings())
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(own.certificate, own.key)
    verifying = ssl.create_default_context(cafile=own.certificate)
    verifying.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    wires = [ssl.MemoryBIO() for _ in range(4)]
    server = serving.wrap_bio(wires[0], wires[1], server_side=True)
    client = verifying.wrap_bio(wires[2], wires[3], server_hostname=name)
    shake_hands(server, client, wires)
    assert client.getpeercert()


def test_nothing_is_made_without_tls(made: Home) -> None:
    assert tls.prepare(made, Settings(tls="off")) == tls.Tls("off")
    assert list(made.secrets.iterdir()) == []


@pytest.mark.parametrize(
    ("digest", "expected"),
    [("-sha256", "sha256"), ("-sha384", "sha384"), ("-sha512", "sha512"), ("-sha1", "sha256")],
)
def test_channels_are_bound_by_the_hash_of_the_signature(
    made: Home, folder: Path, digest: str, expected: str
) -> None:
    settings = make(folder, "own", digest)
    text = ssl.PEM_cert_to_DER_cert(Path(settings.tls_certificate).read_text())
    binding = tls.binding(x509.load_der_x509_certificate(text))
    assert binding == hashlib.new(expected, text).hexdigest()
    if digest != "-sha1":  # which OpenSSL may refuse to use
        assert tls.prepare(made, settings).binding == binding


def test_a_signature_without_a_hash_binds_nothing(made: Home, folder: Path) -> None:
    assert tls.prepare(made, make(folder, "own", key="ed25519")).binding == ""


def refused(home: Home, settings: Settings) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        tls.prepare(home, settings)
    assert caught.value.hint
    return caught.value


def test_files_that_do_not_belong_together_are_refused(made: Home, folder: Path) -> None:
    one, other = make(folder, "one"), make(folder, "other")
    mixed = Settings(tls_certificate=one.tls_certificate, tls_key=other.tls_key)
    assert "is not that of the certificate" in refused(made, mixed).message


def test_one_file_without_the_other_is_refused(made: Home) -> None:
    only = Settings(tls_key="/a.key", origins={"tls_key": "flag"})
    assert refused(made, only).message == "flag: tls_key is set without the other"


def test_missing_files_are_refused_by_name(made: Home, folder: Path) -> None:
    settings = make(folder, "one")
    Path(settings.tls_key).unlink()
    assert f"{settings.tls_key} cannot be read: No such file" in refused(made, settings).message
    Path(settings.tls_certificate).unlink()
    assert f"{settings.tls_certificate} cannot be read" in refused(made, settings).message


def test_what_is_no_certificate_or_key_is_refused(made: Home, folder: Path) -> None:
    settings = make(folder, "one")
    Path(settings.tls_key).write_text("nonsense")
    assert "has no private key" in refused(made, settings).message
    Path(settings.tls_certificate).write_text("nonsense")
    assert "has no certificate" in refused(made, settings).message


def test_a_key_with_a_password_is_refused(made: Home, folder: Path) -> None:
    settings = make(folder, "one")
    closed = folder / "closed.key"
    openssl("pkey", "-in", settings.tls_key, "-aes256", "-passout", "pass:x", "-out", closed)
    locked = Settings(tls_certificate=settings.tls_certificate, tls_key=str(closed))
    assert "have no password" in refused(made, locked).hint


def test_an_expired_certificate_is_refused(
    made: Home, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make(folder, "one", "-days", "1")

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> "Later":
            return super().now(tz) + dt.timedelta(days=2)

    monkeypatch.setattr("myriad.running.tls.dt.datetime", Later)
    assert "is valid from" in refused(made, settings).message


def test_our_own_is_made_anew_when_it_cannot_be_used(made: Home) -> None:
    first = tls.prepare(made, Settings())
    Path(first.key).write_text("nonsense")
    assert tls.prepare(made, Settings()).binding != first.binding
