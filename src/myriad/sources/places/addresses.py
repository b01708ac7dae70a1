"""Addresses: of files on the web, and of objects in a cloud's store.

An address may hold a secret, as a password or behind the question mark: people and records get it
without.
"""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from myriad.wording import readable

WEB = ("http://", "https://")
CLOUD = ("s3://", "gs://", "az://")
_QUERY = re.compile(r"\?[^?]*=.*", re.DOTALL)  # of a signed address; `?` alone is a pattern's


def is_address(name: str | Path) -> bool:
    """Say whether what a person named is an address."""
    return isinstance(name, str) and name.lower().startswith((*WEB, *CLOUD))


def is_cloud(name: str | Path) -> bool:
    """Say whether what a person named is in a cloud's store."""
    return isinstance(name, str) and name.lower().startswith(CLOUD)


def split(address: str) -> tuple[str, str, str]:
    """Return scheme, bucket and key of an address in a cloud's store.

    A key may have any characters: nothing in it is a query, and nothing is encoded.
    """
    scheme, _, rest = address.partition("://")
    bucket, _, key = rest.partition("/")
    return scheme.lower(), bucket, key


def is_secret(address: str) -> bool:
    """Say whether an address in a cloud's store has what may be a secret in it."""
    bucket = split(address)[1]
    return "@" in bucket or ":" in bucket or _QUERY.search(address) is not None


def shown(name: str | Path) -> str:
    """Return what was named as it may be shown and kept: without password and query."""
    if not is_address(name):
        return readable(str(name))
    if is_cloud(name):
        scheme, bucket, key = split(str(name))
        if "@" in bucket or ":" in bucket:  # a password may have a slash
            return f"{scheme}://…"
        return readable(_QUERY.sub("?…", f"{scheme}://{bucket}/{key}"))
    parts = urlsplit(str(name))
    port = f":{parts.port}" if parts.port else ""
    query = "?…" if parts.query else ""
    return readable(f"{parts.scheme}://{parts.hostname}{port}{parts.path}{query}")


def file_name(address: str) -> str:
    """Return what the file, or the folder, at an address is called."""
    if is_cloud(address):
        _, bucket, key = split(address)
        return key.rstrip("/").rsplit("/", 1)[-1] or bucket
    return unquote(urlsplit(address).path.rsplit("/", 1)[-1]) or str(urlsplit(address).hostname)
