"""Objects in a cloud's store: listed, and fetched into a private folder within bounds."""

import asyncio
import fnmatch
import re
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from myriad.errors import SourceError
from myriad.sources.places import addresses, stores, web
from myriad.sources.places.stores import CLOUDS
from myriad.wording import readable

if TYPE_CHECKING:
    from obstore import ObjectMeta

T = TypeVar("T")
MOST_LISTED = 100_000
AT_ONCE = 8  # objects of one folder
ATTEMPTS = 3  # of an object that changed while it came
# What stands in the address of a store as it is; what else there may be in none, makes it panic.
_BUCKET = re.compile(r"[\w$][\w.$-]*", re.ASCII)
_PATTERN = re.compile(r"[*?[]")
_STATUS = re.compile(r"status code: (\d+)")
_CODE = re.compile(r"<Code>(\w+)</Code>")


@dataclass(frozen=True)
class Object:
    """One object: its whole address, its size, and what changes when it does."""

    address: str
    size: int
    version: str


def expand(address: str) -> Iterator[str]:
    """Yield the addresses that an address stands for; raises SourceError for none.

    `*` and `?` stand for what they do in names of files: no slash, and no dot at the beginning.
    `**` is any number of folders.
    """
    scheme, bucket, key = addresses.split(address)
    if not _PATTERN.search(key) or addresses.is_secret(address):
        yield address
        return
    begin = key[: key.rfind("/", 0, cast("re.Match[str]", _PATTERN.search(key)).start()) + 1]
    found = _listed(scheme, bucket, begin)
    wanted = key.split("/")
    if address in (each.address for each in found):
        yield address
        return
    chosen = [each.address for each in found if _fits(_parts(each.address), wanted)]
    if not chosen:
        raise SourceError(
            f"{addresses.shown(address)}: there is no such object",
            hint="A pattern stands for names within one folder; ** stands for folders.",
        )
    yield from sorted(chosen)


def below(address: str) -> list[Object]:
    """Return the objects below an address, as those of a folder; raises SourceError."""
    scheme, bucket, key = addresses.split(address)
    return _listed(scheme, bucket, f"{key.rstrip('/')}/" if key else "")


def one(address: str) -> Object | None:
    """Return what is known of the object at an address, None if there is none."""
    scheme, bucket, key = addresses.split(address)
    if not key or key.endswith("/"):
        return None
    store = _store(address)
    import obstore  # noqa: PLC0415 - with the first such address

    async def asked() -> "ObjectMeta":
        return await obstore.head_async(store, key)

    with _explained(address), suppress(FileNotFoundError):
        return _object(scheme, bucket, _waited_for(asked()))
    return None


def fetched(objects: Sequence[Object], folder: Path) -> list[tuple[Path, str]]:
    """Return a copy in `folder` of each object, and its version as it came.

    All are of one bucket. Raises SourceError, and the files are gone with the folder.
    """
    total = sum(each.size for each in objects)
    if total > web.MOST_BYTES:
        raise SourceError(
            f"{addresses.shown(objects[0].address)}: that is {total:,} bytes, more than"
            f" {web.MOST_BYTES:,}",
            hint="Publish it in parts.",
        )
    store = _store(objects[0].address)
    return _waited_for(_Fetching(store, folder).all(objects))


class _Fetching:
    """Objects on their way, some at once."""

    def __init__(self, store: "stores.Store", folder: Path) -> None:
        self._store, self._folder = store, folder
        self._until = time.monotonic() + web.MOST_SECONDS
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._room = web.MOST_BYTES

    async def all(self, objects: Sequence[Object]) -> list[tuple[Path, str]]:
        tasks = [asyncio.ensure_future(self._one(each)) for each in objects]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _one(self, wanted: Object) -> tuple[Path, str]:
        async with self._turns:
            with (
                _explained(wanted.address),
                tempfile.NamedTemporaryFile(
                    dir=self._folder, prefix="fetched-", delete=False
                ) as target,
            ):
                version = await self._written(wanted, cast("BinaryIO", target))
        return Path(target.name), version

    async def _written(self, wanted: Object, file: BinaryIO) -> str:
        """Write an object, from its beginning again if it changed meanwhile."""
        import obstore  # noqa: PLC0415
        from obstore.exceptions import BaseError  # noqa: PLC0415

        key = addresses.split(wanted.address)[2]
        for attempt in range(ATTEMPTS):
            answer = await obstore.get_async(self._store, key)
            try:
                async for data in answer.stream(min_chunk_size=web.CHUNK):
                    self._take(wanted, file, data)
            except BaseError:
                if attempt + 1 == ATTEMPTS:
                    raise
                self._room += file.tell()
                file.seek(0)
                file.truncate()
            else:
                return _version(answer.meta)
        raise AssertionError

    def _take(self, wanted: Object, file: BinaryIO, data: Any) -> None:  # noqa: ANN401 - a buffer
        self._room -= file.write(data)
        if self._room < 0:
            raise SourceError(
                f"{addresses.shown(wanted.address)}: it has more than {web.MOST_BYTES:,} bytes",
                hint="Publish it in parts.",
            )
        if time.monotonic() > self._until:
            raise SourceError(
                f"{addresses.shown(wanted.address)}: it did not come within"
                f" {web.MOST_SECONDS // 3600} hours",
                hint="Fetch it by another way, and publish the file.",
            )


def _store(address: str) -> "stores.Store":
    """Open the store of an address; raises SourceError."""
    scheme, bucket, _ = addresses.split(address)
    if addresses.is_secret(address):
        raise SourceError(
            f"{addresses.shown(address)}: there is a password or a token in the address",
            hint=f"Name it without. {CLOUDS[scheme].hint}",
        )
    if not bucket:
        raise SourceError(f"{scheme}:// names no bucket", hint=f"{scheme}://BUCKET/KEY.")
    if not _BUCKET.fullmatch(bucket):
        raise SourceError(
            f"{addresses.shown(address)}: no bucket can have such a name",
            hint="It has letters of English, digits, and some of - . _ $.",
        )
    with _explained(address):
        return CLOUDS[scheme].open(bucket, timedelta(seconds=web.MOST_SECONDS))


def _listed(scheme: str, bucket: str, prefix: str) -> list[Object]:
    """Return the objects whose keys begin so; raises SourceError for too many."""
    address = f"{scheme}://{bucket}/{prefix}"
    store, found = _store(address), list[Object]()
    import obstore  # noqa: PLC0415

    async def pages() -> None:
        async for page in obstore.list(store, prefix=prefix or None):
            found.extend(_object(scheme, bucket, each) for each in page)
            if len(found) > MOST_LISTED:
                raise SourceError(
                    f"{addresses.shown(address)}: there are more than {MOST_LISTED:,} objects",
                    hint="Name a folder with fewer.",
                )

    with _explained(address):
        _waited_for(pages())
    return found


def _object(scheme: str, bucket: str, meta: "ObjectMeta") -> Object:
    return Object(f"{scheme}://{bucket}/{meta['path']}", meta["size"], _version(meta))


def _version(meta: "ObjectMeta") -> str:
    """Return what tells an object from what it was before; listings have no quotes around it."""
    mark = (meta["e_tag"] or "").strip('"')
    return mark or meta["last_modified"].isoformat()


def _parts(address: str) -> list[str]:
    return addresses.split(address)[2].split("/")


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Say whether a key fits a pattern, both in pieces between slashes."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        hidden = bool(parts) and parts[0].startswith(".")
        return _fits(parts, wanted[1:]) or (bool(parts) and not hidden and _fits(parts[1:], wanted))
    if not parts or (parts[0].startswith(".") and not wanted[0].startswith(".")):
        return False
    return fnmatch.fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Let errors of a store be ours; what it says may hold whole addresses, with tokens."""
    try:
        yield
    except FileNotFoundError:
        raise _missing(address) from None
    except (OSError, SourceError):
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "obstore" and not isinstance(
            error, (ValueError, AssertionError)
        ):
            raise
        raise _refused(address, str(error)) from None


def _missing(address: str) -> SourceError:
    return SourceError(
        f"{addresses.shown(address)}: there is no such object",
        hint="Check bucket and key; a pattern stands in quotes.",
    )


def _refused(address: str, said: str) -> SourceError:
    """Return the error for what a store said."""
    cloud = CLOUDS[addresses.split(address)[0]]
    status, code = _STATUS.search(said), _CODE.search(said)
    shown = addresses.shown(address)
    if status is None and "redirect" in said:
        return SourceError(
            f"{shown}: {cloud.name} sent us elsewhere", hint="Is it the right region? AWS_REGION."
        )
    if "invalid path" in said or "parse path" in said:
        return SourceError(
            f"{shown}: a key there cannot be read: it has two slashes together, or . or .. as a"
            " folder",
            hint="Name a folder without such keys, or copy the object.",
        )
    if status is None:
        what = "it broke off" if "body" in said else "it cannot be reached"
        return SourceError(
            f"{shown}: {cloud.name} gave no answer that could be used: {what}",
            hint=f"Try again later; or credentials are missing. {cloud.hint}",
        )
    named = f" {readable(code[1])}" if code else ""
    return SourceError(
        f"{shown}: {cloud.name} answered {status[1]}{named}",
        hint=cloud.hint if status[1] in ("400", "401", "403") else "Check bucket and key.",
    )


def _waited_for(work: Coroutine[Any, Any, T]) -> T:
    """Return what comes of work that another thread does, in a loop of its own.

    So this one hears Ctrl-C, which a call into a library of Rust does not, and may have a loop.
    """
    loop, done = asyncio.new_event_loop(), Future[T]()
    task = loop.create_task(work)

    def run() -> None:
        try:
            done.set_result(loop.run_until_complete(task))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)
        finally:
            loop.close()

    threading.Thread(target=run, daemon=True).start()
    try:
        return done.result()
    except BaseException:
        with suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(task.cancel)
        raise
