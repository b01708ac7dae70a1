"""The door's certificate: the one set, or a self-signed one in the home."""

import datetime as dt
import ipaddress
import logging
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from myriad.errors import MyriadError, NotRunning, SettingsError, StartFailed
from myriad.home.files import write_private
from myriad.home.home import Home
from myriad.settings import Settings

CERTIFICATE = "door.crt"
KEY = "door.key"
LIFETIME = dt.timedelta(days=3653)
LOCAL = ("localhost", "127.0.0.1", "::1")
LOOK_EVERY = 5.0  # seconds between looks at its files
LONGEST_NAME = 64  # characters of a common name (RFC 5280, ub-common-name)

log = logging.getLogger("myriad.engines")


@dataclass(frozen=True)
class Tls:
    """What the door needs to encrypt.

    Attributes:
        mode: the setting `tls`.
        certificate, key: files (PEM); empty with mode `off`.
        binding: hash of the certificate for channel binding (RFC 5929, tls-server-end-point), in
            hexadecimal; empty where its signature has no hash of its own: then there is none.
    """

    mode: str
    certificate: str = ""
    key: str = ""
    binding: str = ""


def prepare(home: Home, settings: Settings) -> Tls:
    """Return the certificate that was set, checked, or our own, made where it is missing.

    Raises SettingsError for files that will not do.
    """
    if settings.tls == "off":
        return Tls("off")
    if settings.tls_certificate or settings.tls_key:
        certificate, key = set_by_hand(settings)
        found = check(certificate, key)
    else:
        certificate, key = home.secrets / CERTIFICATE, home.secrets / KEY
        found = _own(home, settings)
    return Tls(settings.tls, str(certificate), str(key), binding(found))


class Watched:
    """The certificate that is used, until its files change for others that can be.

    Attributes:
        now: what the door needs.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        """Raises SettingsError, as `prepare` does."""
        self._home, self._settings = home, settings
        self.now = prepare(home, settings)
        self._seen = self._refused = self._stamps()
        self._looked = time.monotonic()

    def changed(self) -> Tls | None:
        """Return the other certificate, once, when there is one; looks every few seconds."""
        if self.now.mode == "off" or time.monotonic() - self._looked < LOOK_EVERY:
            return None
        self._looked, stamps = time.monotonic(), self._stamps()
        if stamps == self._seen:
            return None
        try:
            self.now = prepare(self._home, self._settings)
        except MyriadError as error:  # perhaps only one of the files is there yet
            if stamps != self._refused:
                log.warning("the certificate stays as it was: %s", error)
            self._refused = stamps
            return None
        self._seen = stamps
        return self.now

    def _stamps(self) -> list[tuple[int, int, int]]:
        """Return what changes when a file is written or another takes its place."""
        found = []
        for name in (self.now.certificate, self.now.key):
            with suppress(OSError):
                state = Path(name).stat()
                found.append((state.st_ino, state.st_mtime_ns, state.st_size))
        return found


@dataclass(frozen=True)
class Shown:
    """The certificate that people see.

    Attributes:
        pem: what vouches for the server, if nothing that people's machines know does.
        own: whether it vouches for itself.
        names: what it is valid for.
        until: when it ends.
        fingerprint: its SHA-256, in hexadecimal.
    """

    pem: str
    own: bool
    names: list[str]
    until: dt.datetime
    fingerprint: str


def show(home: Home, settings: Settings) -> Shown:
    """Return the certificate of the door; raises SettingsError, NotRunning if none was made yet."""
    if settings.tls == "off":
        raise SettingsError(
            "there is no certificate: `tls` is off",
            hint="Set `tls` to allow or require, and start again: `myriad down`, `myriad up`.",
        )
    if settings.tls_certificate or settings.tls_key:
        path, _ = set_by_hand(settings)
    else:
        path = home.secrets / CERTIFICATE
        if not path.exists():
            raise NotRunning(
                f"there is no certificate in {home.secrets} yet",
                hint="The first start makes it: `myriad up --detach`.",
            )
    found = _read(path)
    return Shown(
        path.read_text("ascii"),
        found.issuer == found.subject,
        [str(name.value) for name in _names_of(found)],
        found.not_valid_after_utc,
        found.fingerprint(hashes.SHA256()).hex(),
    )


def covers(shown: Shown, host: str) -> bool:
    """Say whether clients find a name or address in a certificate (RFC 6125, section 6.4.3)."""
    wild = "*." + host.lower().partition(".")[2]
    return any(name.lower() in {host.lower(), wild} for name in shown.names)


def set_by_hand(settings: Settings) -> tuple[Path, Path]:
    """Return the files of the settings; raises SettingsError if only one is set."""
    if not (settings.tls_certificate and settings.tls_key):
        there = "tls_certificate" if settings.tls_certificate else "tls_key"
        raise SettingsError(
            f"{settings.origins.get(there, 'settings')}: {there} is set without the other",
            hint="Set both tls_certificate and tls_key, or neither.",
        )
    return (
        Path(settings.tls_certificate).expanduser().absolute(),
        Path(settings.tls_key).expanduser().absolute(),
    )


def check(certificate: Path, key: Path) -> x509.Certificate:
    """Return the first certificate of the file; raises SettingsError if it cannot be used now."""
    found = _read(certificate)
    now = dt.datetime.now(dt.UTC)
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise SettingsError(
            f"{certificate} is valid from {found.not_valid_before_utc:%Y-%m-%d %H:%M} to"
            f" {found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, and now is {now:%Y-%m-%d %H:%M}",
            hint="Get a new certificate, or set neither tls_certificate nor tls_key.",
        )
    _check_key(found, certificate, key)
    _check_usable(certificate, key)
    return found


def _read(certificate: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except OSError as error:
        raise _unreadable(certificate, error) from error
    except ValueError as error:
        raise SettingsError(
            f"{certificate} has no certificate in PEM: {error}",
            hint="It begins with -----BEGIN CERTIFICATE-----; the server's own comes first.",
        ) from error


def _unreadable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"{path} cannot be read: {error.strerror}",
        hint="Let the user that runs Myriad read it; see tls_certificate and tls_key.",
    )


def _check_key(found: x509.Certificate, certificate: Path, key: Path) -> None:
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except OSError as error:
        raise _unreadable(key, error) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"{key} has no private key that can be used: {error}",
            hint="It must be PEM and have no password: openssl pkey -in old.key -out new.key.",
        ) from error
    if private.public_key() != found.public_key():
        raise SettingsError(
            f"the key in {key} is not that of the certificate in {certificate}",
            hint="Set tls_certificate and tls_key to files that belong together; in a file with"
            " several certificates the server's own comes first.",
        )


def _check_usable(certificate: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as error:  # such as a key that is too short for today's rules
        raise SettingsError(
            f"{certificate} cannot be used: {error}", hint="Get a new certificate and key."
        ) from error


def binding(certificate: x509.Certificate) -> str:
    """Return the certificate's hash for channel binding, by RFC 5929, section 4.1."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    if algorithm is None:  # Ed25519 and Ed448 have none, and the RFC leaves them undefined
        return ""
    if isinstance(algorithm, (hashes.MD5, hashes.SHA1)):
        algorithm = hashes.SHA256()
    return certificate.fingerprint(algorithm).hex()


def _own(home: Home, settings: Settings) -> x509.Certificate:
    certificate, key = home.secrets / CERTIFICATE, home.secrets / KEY
    with suppress(SettingsError):
        found = check(certificate, key)
        if set(_names(settings.host)) <= set(_names_of(found)):
            return found
    log.info("making a self-signed certificate: %s", certificate)
    _make(settings, certificate, key)
    try:
        return check(certificate, key)
    except SettingsError as error:
        raise StartFailed(f"no certificate could be made: {error}", hint=error.hint) from error


def _make(settings: Settings, certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, socket.gethostname()[:LONGEST_NAME] or "myriad")]
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    names = _names(*LOCAL, socket.gethostname(), socket.getfqdn(), settings.host)
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)  # clocks differ
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
        .sign(private, hashes.SHA256())
    )
    text = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(key, text.decode())
    write_private(certificate, made.public_bytes(serialization.Encoding.PEM).decode())


def _names(*texts: str) -> list[x509.GeneralName]:
    """Return names and addresses as a certificate has them, each once."""
    found: list[x509.GeneralName] = []
    for text in dict.fromkeys(texts):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError:
            with suppress(ValueError):  # a host name may hold what no certificate can
                found.append(x509.DNSName(text))
    return found


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(found.value)
