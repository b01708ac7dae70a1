"""Objects in a cloud's store: from a server of S3, and from one that speaks as the others do."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from myriad.errors import SourceError
from myriad.sources.base import Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from myriad.sources.places import addresses, cloud, stores, web
from tests import stores as fake
from tests.source_harness import rows

DATA = b"n\n" + b"".join(b"%d\n" % n for n in range(50_000))
OBJECTS = {
    "north.csv": DATA,
    "exports/a.csv": b"n\n1\n",
    "exports/b.csv": b"n\n1\n2\n",
    "exports/notes.bin": b"\0\1\2",
    "exports/.hidden.csv": b"n\n1\n",
    "exports/deep/c.csv": b"n\n1\n2\n3\n",
    "exports/odd %20#?.csv": b"n\n1\n",
    "parts/month=01/x.csv": b"n\n1\n",
    "parts/month=02/x.csv": b"n\n2\n",
    "one/only.csv": b"n\n1\n",
    "../../etc/x.csv": b"n\n1\n",
}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
    )
    client.create_bucket(Bucket="bucket")
    for key, data in OBJECTS.items():
        if not key.startswith("."):
            client.put_object(Bucket="bucket", Key=key, Body=data)
    yield endpoint
    server.stop()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have no credentials but those that a test gives."""
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_", "STORAGE_EMULATOR")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(stores, "RETRIES", 2)


@pytest.fixture
def keys(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[fake.Store]:
    with fake.served() as made:
        made.objects = {f"bucket/{key}": data for key, data in OBJECTS.items()}
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.address)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", made.address)
        secret = f"AccountName=account;AccountKey=c2VjcmV0;BlobEndpoint={made.address}/account"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", secret)
        yield made


def read(address: str, folder: Path) -> dict[str, int]:
    found = open_sources([address], lambda _: ReadOptions(), Workspace(folder, 150))
    return {source.table.name: len(rows(source)) for source in found}


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("north.csv", {"north": 50_000}),
        ("exports/*.csv", {"a": 1, "b": 2, "odd %20#?": 1}),
        ("exports/[ab].csv", {"a": 1, "b": 2}),
        ("exports/**/?.csv", {"a": 1, "b": 2, "c": 3}),
        ("exports/odd %20#?.csv", {"odd %20#?": 1}),
        ("exports/", {"a": 1, "b": 2, "c": 3, "odd %20#?": 1}),
        ("exports", {"a": 1, "b": 2, "c": 3, "odd %20#?": 1}),
        ("one/", {"only": 1}),
    ],
)
@pytest.mark.usefixtures("keys")
def test_objects_patterns_and_folders_of_s3_are_read(
    key: str, found: dict[str, int], tmp_path: Path
) -> None:
    assert read(f"s3://bucket/{key}", tmp_path) == found


@pytest.mark.usefixtures("keys")
def test_names_of_folders_become_columns(tmp_path: Path) -> None:
    found = open_sources(["s3://bucket/parts/"], lambda _: ReadOptions(), Workspace(tmp_path, 150))
    assert {source.table.name for source in found} == {"parts"}
    assert [column.name for column in found[0].table.columns] == ["n", "month"]
    assert sorted(rows(source)[0][1] for source in found) == ["01", "02"]


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_every_cloud_is_listed_and_read(scheme: str, store: fake.Store, tmp_path: Path) -> None:
    store.breaks = 0
    assert read(f"{scheme}://bucket/north.csv", tmp_path) == {"north": 50_000}
    assert read(f"{scheme}://bucket/exports/[ab].csv", tmp_path) == {"a": 1, "b": 2}
    assert all(headers.get("Authorization") for _, _, headers in store.said) == (scheme != "gs")


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize("changes", ["stays", "changes"])
def test_what_broke_off_goes_on_if_it_is_the_same_object(
    scheme: str, changes: str, store: fake.Store, tmp_path: Path
) -> None:
    store.changes = changes == "changes"
    one = cloud.one(f"{scheme}://bucket/north.csv")
    assert one is not None
    store.breaks = 1
    [(path, _)] = cloud.fetched([one], tmp_path)
    assert path.read_bytes() == DATA
    assert store.breaks == 0
    ranges = [headers.get("Range") for _, _, headers in store.said[1:]]
    assert len(ranges) == (3 if store.changes else 2)
    assert ranges[1]
    assert (ranges[-1] is None) == store.changes


@pytest.mark.usefixtures("store")
def test_keys_that_lead_out_of_a_folder_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for address in ("gs://bucket/../../etc/x.csv", "gs://bucket/"):
        with pytest.raises(SourceError, match="a key there cannot be read"):
            read(address, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.usefixtures("store")
def test_too_much_or_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = cloud.one("gs://bucket/north.csv")
    assert one is not None
    monkeypatch.setattr(web, "MOST_BYTES", 1000)
    with pytest.raises(SourceError, match="more than 1,000"):
        cloud.fetched([one], tmp_path)
    with pytest.raises(SourceError, match="more than 1,000"):  # whatever it was said to have
        cloud.fetched([cloud.Object(one.address, 1, "")], tmp_path)
    monkeypatch.setattr(cloud, "MOST_LISTED", 3)
    with pytest.raises(SourceError, match="more than 3 objects"):
        cloud.below("gs://bucket/exports")
    monkeypatch.setattr(web, "MOST_BYTES", 1 << 30)
    monkeypatch.setattr(web, "MOST_SECONDS", 0.001)
    with pytest.raises(SourceError):
        cloud.fetched([one], tmp_path)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://bucket/none.csv", "no object in it"),
        ("s3://bucket/none/*.csv", "no such object"),
        ("s3://nobucket/a.csv", "no object in it|NoSuchBucket"),
        ("s3:///a.csv", "names no bucket"),
        ("s3://", "names no bucket"),
    ],
)
@pytest.mark.usefixtures("keys")
def test_what_is_not_there_is_said(address: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read(address, tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://KEY:SEC/RET@bucket/a.csv", "s3://…"),
        ("s3://SECRET@bucket/a.csv", "s3://…"),
        ("az://bucket/a.csv?sv=1&sig=SECRET", "az://bucket/a.csv?…"),
        ("gs://bucket/*.csv?X-Goog-Signature=SECRET", "gs://bucket/*.csv?…"),
    ],
)
@pytest.mark.usefixtures("keys")
def test_an_address_with_a_secret_is_refused_without_it(
    address: str, shown: str, tmp_path: Path
) -> None:
    assert addresses.shown(address) == shown
    with pytest.raises(SourceError, match="a password or a token in the address") as caught:
        read(address, tmp_path)
    said = caught.value.message + caught.value.hint.replace("SECRET_ACCESS_KEY", "")
    assert "SEC" not in said


@pytest.mark.parametrize("bucket", ["bück et", "b\x01", "..", "a b", "b\\c", "b%zz", "b#c"])
@pytest.mark.usefixtures("store")
def test_no_bucket_has_a_name_that_no_address_has(bucket: str, tmp_path: Path) -> None:
    for kind in addresses.CLOUD:
        with pytest.raises(SourceError, match="no bucket can have such a name") as caught:
            read(f"{kind}{bucket}/a.csv", tmp_path)
        assert caught.value.hint


@pytest.mark.parametrize("endpoint", ["t0psecret x", "http://t0p secret", "http://h/{x}", "h:9"])
@pytest.mark.usefixtures("keys")
def test_an_address_of_a_store_that_is_none_is_refused_without_it(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", f"AccountName=a;BlobEndpoint={endpoint}")
    for kind in ("s3://", "az://"):
        with pytest.raises(SourceError, match="as the address of the store is none") as caught:
            read(f"{kind}bucket/a.csv", tmp_path)
        assert "t0p" not in caught.value.message + caught.value.hint


def test_what_a_store_says_is_shown_without_tokens(
    store: fake.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "sv=2020&sig=SECRET"
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"AccountName=account;BlobEndpoint={store.address}/account;SharedAccessSignature={token}",
    )
    assert read("az://bucket/north.csv", tmp_path) == {"north": 50_000}
    assert "SECRET" in store.said[0][1]
    store.objects.clear()
    store.breaks = 100
    for address in ("az://bucket/a/*.csv", "az://bucket/a.csv", "az://bucket/"):
        with pytest.raises(SourceError) as caught:
            read(address, tmp_path)
        assert "SECRET" not in caught.value.message + caught.value.hint


def test_credentials_come_from_a_profile_and_their_lack_is_said(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceError, match="no credentials for S3") as caught:
        read("s3://bucket/north.csv", tmp_path)
    assert "AWS_PROFILE" in caught.value.hint
    (tmp_path / "credentials").write_text(
        "[night]\naws_access_key_id = k\naws_secret_access_key = s\n"
    )
    (tmp_path / "config").write_text(
        f"[profile night]\nregion = eu-central-1\nendpoint_url = {s3}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "night")
    assert read("s3://bucket/north.csv", tmp_path) == {"north": 50_000}
    monkeypatch.setenv("AWS_PROFILE", "day")
    with pytest.raises(SourceError, match="cannot be used"):
        read("s3://bucket/north.csv", tmp_path)


@pytest.mark.parametrize("region", ["eu-south-1", "", "no region:"])
def test_the_region_of_a_bucket_is_asked_for_once_where_nothing_says_it(
    region: str, store: fake.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    store.region = region
    if ":" in region:
        with pytest.raises(SourceError, match="answered 400"):
            read("s3://bucket/north.csv", tmp_path)
        return
    assert read("s3://bucket/exports/[ab].csv", tmp_path) == {"a": 1, "b": 2}
    first, *others = [headers.get("Authorization") for _, _, headers in store.said]
    assert first is None
    assert all(f"/{region or 'us-east-1'}/s3/" in str(each) for each in others)


def test_a_region_is_asked_for_again_if_nobody_answered(
    store: fake.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.region, store.silent = "eu-south-1", (silent := threading.Event())
    with monkeypatch.context() as patch:
        patch.setattr(web, "SILENCE", 0.05)
        assert stores._region("bucket", store.address) == "us-east-1"  # noqa: SLF001 - no other way to both
    silent.set()
    store.silent = None
    assert stores._region("bucket", store.address) == "eu-south-1"  # noqa: SLF001


def test_a_region_that_is_said_is_not_asked_for(store: fake.Store, tmp_path: Path) -> None:
    store.region = "eu-south-1"
    with pytest.raises(SourceError, match="answered 400") as caught:
        read("s3://bucket/north.csv", tmp_path)
    assert "AWS_REGION is us-east-1" in caught.value.hint
    assert all(headers.get("Authorization") for _, _, headers in store.said)


def test_no_store_leads_from_an_encrypted_address_to_one_that_is_not() -> None:
    for address, plain in (("https://store.example", False), ("", False), ("http://h:9", True)):
        said = stores.settled(address, stores.SILENCE)
        assert said["client_options"]["allow_http"] == plain


def test_who_is_led_to_by_a_store_gets_no_credentials(store: fake.Store) -> None:
    with fake.served() as other:
        other.objects = store.objects
        store.leads = f"http://localhost:{other.server_port}/bucket/north.csv"
        assert cloud.one("s3://bucket/north.csv") is not None
        assert [headers.get("Authorization") for _, _, headers in other.said] == [None]


def test_nobody_there_is_said(store: fake.Store, tmp_path: Path) -> None:
    store.server_close()
    with pytest.raises(SourceError, match="cannot be reached"):
        read("gs://bucket/north.csv", tmp_path)


def test_a_store_that_keeps_silent_is_left_after_a_minute_in_all(
    store: fake.Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "SILENCE", 0.5)
    store.silent = threading.Event()
    began = time.monotonic()
    for address in ("gs://bucket/north.csv", "gs://bucket/exports/*.csv"):
        with pytest.raises(SourceError, match="nothing came for"):
            read(address, tmp_path)
    assert time.monotonic() - began < 20
    store.silent.set()


def test_how_far_objects_are_is_told(store: fake.Store, tmp_path: Path) -> None:
    store.breaks = 0
    one = cloud.one("gs://bucket/north.csv")
    assert one is not None
    told: list[tuple[str, str, int, int]] = []
    fetching = cloud._Fetching(cloud._store(one.address), tmp_path)  # noqa: SLF001
    cloud._waited_for(fetching.all([one]))  # noqa: SLF001
    assert fetching.came == one.size == len(DATA)
    cloud.fetched([one], tmp_path, lambda *said: told.append(said))
    assert all(came <= whole == len(DATA) for *_, came, whole in told)


@pytest.mark.timeout(30)
def test_a_pattern_with_many_stars_is_decided_at_once() -> None:
    key, stars = ["a"] * 60, ["**"] * 30
    assert cloud._fits(key, [*stars, "a", *stars])  # noqa: SLF001
    assert not cloud._fits(key, [*(["**", "a"] * 30), "b"])  # noqa: SLF001
    assert cloud._fits([], ["**", "**"])  # noqa: SLF001
    assert cloud._fits(["x", "a.csv"], ["**", "x", "**", "*.csv"])  # noqa: SLF001
    assert not cloud._fits([".x", "a.csv"], ["**", "*.csv"])  # noqa: SLF001
    assert not cloud._fits(["x", ".a.csv"], ["x", "*.csv"])  # noqa: SLF001


def test_ctrl_c_is_heard_while_a_store_keeps_silent(store: fake.Store, tmp_path: Path) -> None:
    store.silent = threading.Event()
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        read("gs://bucket/north.csv", tmp_path)
    assert time.monotonic() - began < 10
    store.silent.set()


def test_without_its_library_the_error_says_what_to_install() -> None:
    script = """
        import sys
        sys.modules["obstore"] = None
        from pathlib import Path
        from myriad.errors import SourceError
        from myriad.sources.places import cloud
        for address in ("s3://b/*.csv", "gs://b/", "az://b/a.csv"):
            try:
                list(cloud.expand(address)), cloud.one(address) or cloud.below(address)
            except SourceError as error:
                print(error.hint)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["pip install 'myriad-db[cloud]'"] * 3
