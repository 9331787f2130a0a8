"""Object stores: where the lake's files lie, behind one small interface.

Two stores, S3 and a folder. What the lake needs of them is little: an object appears whole or not at all,
`put_new` has one winner, and a listing is sorted by key. Whatever does not answer is `Unreachable`;
waiting for its return is the caller's affair.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from charts.errors import BadSettings
from charts.settings import Settings

#: Anything with bytes in one piece: bytes, memoryview, an Arrow buffer.
Body = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """One object as a listing shows it."""

    key: str
    size: int


class Store(Protocol):
    """What the lake asks of an object store; keys are relative to the lake's own prefix."""

    async def get(self, key: str) -> bytes:
        """The whole object; raises NotFound."""

    async def get_end(self, key: str, size: int) -> bytes:
        """The object's last bytes, all of it where it is shorter; raises NotFound."""

    async def put(self, key: str, body: Body) -> None:
        """Writes the object, replacing what was there in one step."""

    async def put_new(self, key: str, body: Body) -> bool:
        """Writes the object unless there is one; says whether it did. Of many writers one wins."""

    async def delete(self, key: str) -> None:
        """Removes the object; one that is gone already is no error."""

    async def items(self, prefix: str) -> list[Item]:
        """All objects below a prefix, by key."""

    async def folders(self, prefix: str) -> list[str]:
        """The names of the folders right below a prefix (which ends in `/`), sorted."""


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store the settings name, closed when done."""
    # Imported here, so that a lake in a folder costs no botocore.
    url = urlsplit(settings.lake_url)
    if not settings.lake_url:
        raise BadSettings("CHARTS_LAKE_URL: say where the lake is: s3://bucket/prefix or file:///path")
    if url.scheme == "file":
        from tables.folder import Folder  # noqa: PLC0415

        yield Folder.at(url.path)
        return
    if not url.netloc:
        raise BadSettings("CHARTS_LAKE_URL: s3:// needs a bucket")
    from tables.s3 import open_s3  # noqa: PLC0415

    async with open_s3(url.netloc, url.path.strip("/"), settings.s3_addressing) as store:
        yield store
