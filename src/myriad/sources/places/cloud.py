"""Objects in a cloud's store: listed, and fetched into a private folder within bounds."""

import asyncio
import fnmatch
import os
import re
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from myriad.errors import SourceError
from myriad.sources.base import FETCHING, Tell, nobody
from myriad.sources.places import addresses, stores, web
from myriad.sources.places.stores import CLOUDS
from myriad.wording import readable

if TYPE_CHECKING:
    from obstore import ObjectMeta

T = TypeVar("T")
MOST_LISTED = 100_000
LEAST_PIECE = 64 << 10  # bytes that come at once; fewer in a minute are as good as none
TELL_SECONDS = 0.5
AT_ONCE = 8  # objects of one folder
ATTEMPTS = 3  # of an object that changed while it came
# What stands in the address of a store as it is; what else there may be in none, makes it panic.
_BUCKET = re.compile(r"[\w$][\w.$-]*", re.ASCII)
_PATTERN = re.compile(r"[*?[]")
_STATUS = re.compile(r"status code: (\d+)")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class _Silent(Exception):
    """A store gave nothing for too long."""


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
        return await _soon(obstore.head_async(store, key))

    with _explained(address), suppress(FileNotFoundError):
        return _object(scheme, bucket, _waited_for(asked()))
    return None


def fetched(objects: Sequence[Object], folder: Path, tell: Tell = nobody) -> list[tuple[Path, str]]:
    """Return a copy in `folder` of each object, and its version as it came.

    All are of one bucket; `tell` takes how much of them came. Raises SourceError, and the files are
    gone with the folder.
    """
    total = sum(each.size for each in objects)
    if total > web.MOST_BYTES:
        raise SourceError(
            f"{addresses.shown(objects[0].address)}: that is {total:,} bytes, more than"
            f" {web.MOST_BYTES:,}",
            hint="Publish it in parts.",
        )
    store = _store(objects[0].address)
    fetching, shown = _Fetching(store, folder), addresses.shown(objects[0].address)

    def told() -> None:
        tell(FETCHING, shown, min(fetching.came, total), total)

    return _waited_for(fetching.all(objects), told)


class _Fetching:
    """Objects on their way, some at once."""

    def __init__(self, store: "stores.Store", folder: Path) -> None:
        self._store, self._folder = store, folder
        self._until = time.monotonic() + web.MOST_SECONDS
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._room = web.MOST_BYTES

    @property
    def came(self) -> int:
        """Bytes that came so far."""
        return web.MOST_BYTES - self._room

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
            answer = await _soon(obstore.get_async(self._store, key))
            pieces = aiter(answer.stream(min_chunk_size=LEAST_PIECE))
            try:
                while (data := await _soon(anext(pieces, None))) is not None:
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
        listing = aiter(obstore.list(store, prefix=prefix or None))
        while (page := await _soon(anext(listing, None))) is not None:
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
    """Say whether a key fits a pattern, both in pieces between slashes.

    Followed are all places in the pattern at once: one by one there are as many ways as there are
    choices of folders for each `**`.
    """
    places = _reached({0}, wanted)
    for part in parts:
        places = _reached({next_ for at in places for next_ in _after(part, wanted, at)}, wanted)
    return len(wanted) in places


def _reached(places: set[int], wanted: Sequence[str]) -> set[int]:
    """Return places in a pattern, and those behind each `**` there, which may be no folder."""
    found = set(places)
    for at in sorted(places):
        while at < len(wanted) and wanted[at] == "**":
            at += 1  # noqa: PLW2901 - on to the next
            found.add(at)
    return found


def _after(part: str, wanted: Sequence[str], at: int) -> Iterator[int]:
    """Yield where in a pattern one may be behind a part of a key."""
    if at == len(wanted):
        return
    hidden = part.startswith(".")
    if wanted[at] == "**":
        if not hidden:
            yield at
    elif not (hidden and not wanted[at].startswith(".")) and fnmatch.fnmatchcase(part, wanted[at]):
        yield at + 1


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Let errors of a store be ours; what it says may hold whole addresses, with tokens."""
    try:
        yield
    except FileNotFoundError:
        raise _missing(address) from None
    except _Silent:
        raise SourceError(
            f"{addresses.shown(address)}: nothing came for {web.SILENCE:.0f} seconds",
            hint="Is it the right address, and does this machine reach it? Try again later.",
        ) from None
    except (OSError, SourceError):
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "obstore" and not isinstance(
            error, (ValueError, AssertionError)
        ):
            raise
        raise _refused(address, str(error)) from None


def _region() -> str:
    region = os.environ.get("AWS_REGION")
    return f"AWS_REGION is {region}." if region else "Set AWS_REGION to the bucket's own."


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
            f"{shown}: {cloud.name} sent us elsewhere, as for a bucket in another region",
            hint=f"{_region()} Ask: aws s3api get-bucket-location --bucket NAME.",
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
    hint = cloud.hint if status[1] in ("400", "401", "403") else "Check bucket and key."
    if status[1] == "400" and cloud is CLOUDS["s3"]:  # as for a bucket in another region
        hint = f"{_region()} {hint}"
    return SourceError(f"{shown}: {cloud.name} answered {status[1]}{named}", hint=hint)


async def _soon(answer: Awaitable[T]) -> T:
    """Return what a store gives; raises SourceError if for a minute it is nothing.

    The store's own client asks again where nothing came: here all its attempts count together.
    """
    try:
        return await asyncio.wait_for(_awaited(answer), web.SILENCE)
    except TimeoutError:
        raise _Silent from None


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def _untold() -> None:
    """Tell nobody."""


def _waited_for(work: Coroutine[Any, Any, T], tell: Callable[[], None] = _untold) -> T:
    """Return what comes of work that another thread does, in a loop of its own.

    `tell` is called while it goes on.

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
        while not wait([done], TELL_SECONDS).done:
            tell()
        return done.result()
    except BaseException:
        with suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(task.cancel)
        raise
