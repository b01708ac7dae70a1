"""The clouds' stores of objects: each is opened with the credentials that its users have."""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from myriad.errors import SourceError

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

    Store = S3Store | GCSStore | AzureStore

SILENCE = timedelta(seconds=30)  # without a byte: then one asks again, once within the minute
RETRIES = 5  # of one request; what breaks off goes on where it ended, if it is the same object
_ENDPOINT = re.compile(r"https?://[\w.~%+@:\[\]/-]+", re.ASCII | re.IGNORECASE)
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_AZURE = {  # AZURE_STORAGE_CONNECTION_STRING: what obstore calls its parts
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_key",
    "BlobEndpoint": "endpoint",
}


@dataclass(frozen=True)
class Cloud:
    """One kind of store.

    Attributes:
        name: for people.
        hint: where its credentials come from.
        opener: opens a bucket that lasts so long.
    """

    name: str
    hint: str
    opener: Callable[[str, timedelta], "Store"]

    def open(self, bucket: str, most: timedelta) -> "Store":
        """Open a bucket; nothing may take longer than `most`. Raises SourceError."""
        try:
            return self.opener(bucket, most)
        except ImportError:
            raise self._missing() from None

    def check(self) -> None:
        """Raise SourceError if what opens it is not installed."""
        if find_spec("obstore") is None:
            raise self._missing()

    def _missing(self) -> SourceError:
        return SourceError(
            f"what reads from {self.name} is not installed", hint="pip install 'myriad-db[cloud]'"
        )


def settled(endpoint: str, most: timedelta) -> dict[str, Any]:
    """Return how a store is asked; without encryption only where its own address has none.

    So nothing leads from an encrypted address to one that is not. Raises SourceError for an
    endpoint that is no address.
    """
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        raise SourceError(
            "what the environment, or a profile, names as the address of the store is none",
            hint="It is https://HOST[:PORT], as in AWS_ENDPOINT_URL.",
        )
    return {
        "client_options": {
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=10),
            "read_timeout": SILENCE,
            "timeout": most,
        },
        "retry_config": {"max_retries": RETRIES, "retry_timeout": most},
    }


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes")


def _s3(bucket: str, most: timedelta) -> "S3Store":
    """Open a bucket as AWS's own tools do: with profiles, roles, and what is asked of a machine."""
    import botocore.session  # noqa: PLC0415 - takes a second
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415
    from obstore.store import S3Store  # noqa: PLC0415

    anonymous = _is_on("AWS_SKIP_SIGNATURE")
    session = botocore.session.get_session()
    try:
        region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
        endpoint = _endpoint(session.full_config, session.get_scoped_config())
        found = None if anonymous else session.get_credentials()
    except BotoCoreError as error:
        raise SourceError(f"the credentials for S3 cannot be used: {error}", hint=_KEYS) from None
    if found is None and not anonymous:
        raise SourceError("there are no credentials for S3", hint=_KEYS)
    settings = settled(endpoint, most)
    said: Any = {"region": region or _region(bucket, endpoint)}
    if endpoint:
        said["endpoint"] = endpoint
    provider = Boto3CredentialProvider(session) if found else None
    return S3Store(bucket, config=said, credential_provider=provider, **settings)


def _region(bucket: str, endpoint: str) -> str:
    """Return the region of a bucket, which S3 tells everybody; its first one if nothing does."""
    if endpoint or "." in bucket:  # no certificate is for a name with more dots
        address = f"{endpoint or 'https://s3.amazonaws.com'}/{bucket}"
    else:
        address = f"https://{bucket}.s3.amazonaws.com/"
    with suppress(LookupError):
        told = _told_region(address)
        return told if _REGION.fullmatch(told) else "us-east-1"
    return "us-east-1"


@lru_cache(maxsize=32)
def _told_region(address: str) -> str:
    """Return what S3 says of it; raises LookupError if nobody answers, which is not kept.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
    """
    from myriad.sources.places import web  # noqa: PLC0415 - with the first such address

    found = web.header(address, "x-amz-bucket-region")
    if found is None:
        raise LookupError(address)
    return found


def _endpoint(whole: Mapping[str, Any], profile: Mapping[str, Any]) -> str:
    """Return the address that stands for AWS's own, from where its tools take it; "" if none.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    """
    said = (os.environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    services = whole.get("services", {}).get(profile.get("services"), {})
    of_s3 = services.get("s3", {}) if isinstance(services.get("s3"), Mapping) else {}
    found = (*said, of_s3.get("endpoint_url"), profile.get("endpoint_url"))
    return next((str(each) for each in found if each), "")


def _gs(bucket: str, most: timedelta) -> "GCSStore":
    from obstore.store import GCSStore  # noqa: PLC0415

    emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    said = {"base_url": emulator, "skip_signature": True} if emulator else {}
    return GCSStore(bucket, config=said, **settled(emulator, most))  # type: ignore[arg-type]


def _az(bucket: str, most: timedelta) -> "AzureStore":
    from obstore.store import AzureStore  # noqa: PLC0415

    said = _connection(os.environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    named = (os.environ.get(f"AZURE_{name}") for name in ("STORAGE_ENDPOINT", "ENDPOINT"))
    endpoint = said.get("endpoint") or next(filter(None, named), "")
    return AzureStore(bucket, config=said, **settled(endpoint, most))  # type: ignore[arg-type]


def _connection(text: str) -> Mapping[str, str]:
    """Return what a connection string of Azure says, as obstore calls it."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {_AZURE[name.strip()]: value for name, _, value in pairs if name.strip() in _AZURE}


_KEYS = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a bucket of everybody's"
    " AWS_SKIP_SIGNATURE=true."
)
CLOUDS = {
    "s3": Cloud("S3", _KEYS, _s3),
    "gs": Cloud(
        "Google Cloud Storage",
        "Set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`; for a"
        " bucket of everybody's GOOGLE_SKIP_SIGNATURE=true.",
        _gs,
    ),
    "az": Cloud(
        "Azure",
        "Set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and one of"
        " AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN, AZURE_USE_AZURE_CLI=true.",
        _az,
    ),
}
