"""Where the server is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Address:
    """Where the server is: a folder with its Unix socket, or a host; and how TLS is used."""

    host: str
    port: int
    sslmode: str = "prefer"
    sslrootcert: str = ""

    @property
    def is_socket(self) -> bool:
        """Whether it is a folder with a Unix socket."""
        return self.host.startswith("/")

    @property
    def path(self) -> str:
        """The Unix socket."""
        return f"{self.host}/.s.PGSQL.{self.port}"
