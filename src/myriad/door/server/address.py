"""Where the server is."""

import ssl
from dataclasses import dataclass

VERIFIED = frozenset(("verify-ca", "verify-full"))
SYSTEM = "system"  # libpq's word for those whom the machine trusts
PLAIN, EITHER = frozenset(("disable", "allow")), "prefer"


@dataclass(frozen=True)
class Address:
    """Where the server is: a folder with its Unix socket, or a host; and how TLS is used."""

    host: str
    port: int
    sslmode: str = EITHER
    sslrootcert: str = ""

    @property
    def is_socket(self) -> bool:
        """Whether it is a folder with a Unix socket."""
        return self.host.startswith("/")

    @property
    def path(self) -> str:
        """The Unix socket."""
        return f"{self.host}/.s.PGSQL.{self.port}"

    @property
    def encrypts(self) -> bool:
        """Whether the server is asked for TLS; where it has none, only `prefer` goes on."""
        return not (self.is_socket or self.sslmode in PLAIN)

    def context(self) -> ssl.SSLContext:
        """Return how a certificate is checked: as libpq does for each sslmode."""
        roots = self.sslrootcert if self.sslrootcert != SYSTEM else ""
        context = ssl.create_default_context(cafile=roots or None)
        context.check_hostname = self.sslmode == "verify-full"
        if self.sslmode not in VERIFIED and not self.sslrootcert:
            context.verify_mode = ssl.CERT_NONE
        return context

    def for_asyncpg(self) -> ssl.SSLContext | str | bool:
        """Return its parameter `ssl`: by the word alone it would not know `sslrootcert`."""
        if not self.encrypts:
            return False
        return EITHER if self.sslmode == EITHER else self.context()
