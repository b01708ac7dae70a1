"""Addresses: of files on the web, and of objects in a cloud's store.

An address may hold a secret, as a password or behind the question mark: people and records get it
without.
"""

import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from myriad.errors import SourceError
from myriad.wording import readable

WEB = ("http://", "https://")
CLOUD = ("s3://", "gs://", "az://")
# An address of another kind, or one that was mistyped: it may hold a secret, too.
_LIKE = re.compile(r"\s*([a-z][a-z0-9+.-]+)://|\s*(https?|s3|gs|az):(?=.*[@?])", re.IGNORECASE)
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


def not_read(scheme: str) -> SourceError:
    """Return what is said of an address of another kind; the rest of it may be a secret."""
    kinds = ", ".join((*WEB, *CLOUD))
    return SourceError(
        f"{scheme}:// addresses are not read",
        hint=f"These are: {kinds}. Fetch it first, or pipe it in: `… | myriad publish -`.",
    )


def refuse_wrong(name: str | Path) -> None:
    """Raise SourceError for what looks like an address, and is none that can be read."""
    text = str(name)
    like = _LIKE.match(text)
    if is_cloud(name) or (is_address(name) and _parts(text) is not None):
        return
    if like and like[1] and f"{like[1].lower()}://" not in (*WEB, *CLOUD):
        raise not_read(like[1])
    if like or is_address(name):
        raise SourceError(
            f"{shown(name)}: this is no address",
            hint="It is http://HOST/PATH. In a password, / is written %2F, ? %3F, # %23, @ %40.",
        )


def shown(name: str | Path) -> str:
    """Return what was named as it may be shown and kept: without password and query."""
    text = str(name)
    if is_cloud(name):
        scheme, bucket, key = split(text)
        if "@" in bucket or ":" in bucket:  # a password may have a slash
            return f"{scheme}://…"
        return readable(_QUERY.sub("?…", f"{scheme}://{bucket}/{key}"))
    if not is_address(name):
        like = _LIKE.match(text)
        return f"{like[1] or like[2]}://…" if like else readable(text)
    parts = _parts(text)
    if parts is None:
        return f"{text.partition(':')[0].lower()}://…"
    port = f":{parts.port}" if parts.port else ""
    query = "?…" if parts.query else ""
    return readable(f"{parts.scheme}://{parts.hostname}{port}{parts.path}{query}")


def _parts(address: str) -> SplitResult | None:
    """Return the parts of an address on the web; None if it is none, or has half a password.

    A password with a slash in it is cut there: its beginning looks like a port, its rest like a
    path.
    """
    try:
        parts = urlsplit(address)
        known = bool(parts.hostname) and parts.port != 0  # asking for a port may fail
    except ValueError:
        return None
    host, rest = parts.netloc, address.partition("//")[2][len(parts.netloc) :]
    cut = ":" in host and "@" not in host and "@" in rest.partition("?")[0]
    return parts if known and not cut else None


def file_name(address: str) -> str:
    """Return what the file, or the folder, at an address is called."""
    if is_cloud(address):
        _, bucket, key = split(address)
        return key.rstrip("/").rsplit("/", 1)[-1] or bucket
    return unquote(urlsplit(address).path.rsplit("/", 1)[-1]) or str(urlsplit(address).hostname)
