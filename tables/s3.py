"""S3 as an object store: Amazon's, MinIO, SeaweedFS.

Endpoint (`AWS_ENDPOINT_URL`), region, credentials and CA bundle are found the way boto finds them. A request
is tried a few times with growing pauses; a conditional write may meet its own first attempt and is then told
the object exists, which for the lake is as good: whoever writes a key writes the same rows.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError

from charts.errors import NotFound, Unreachable
from tables.store import Body, Item

#: A store that does not take a connection within this many seconds is away.
CONNECT_TIMEOUT_S = 5
#: A stalled answer: the largest part takes a second or two on a slow line.
READ_TIMEOUT_S = 30
#: Attempts of one request, with exponential pauses between; longer absences are the caller's to bear.
ATTEMPTS = 4
#: Objects above this many bytes go in parts of this size; S3 allows no part under 5 MiB.
PART_BYTES = 16 << 20
#: Parts of one object on the wire at a time.
PARTS_AT_ONCE = 4
CONNECTIONS = 32

_MISSING = {"NoSuchKey", "404", "NotFound"}
_TAKEN = {"PreconditionFailed", "412"}


class S3:
    """A bucket, or the part of it below a prefix."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    async def get(self, key: str) -> bytes:
        return await self._get(key)

    async def get_end(self, key: str, size: int) -> bytes:
        return await self._get(key, Range=f"bytes=-{size}")

    async def put(self, key: str, body: Body) -> None:
        await self._put(key, body)

    async def put_new(self, key: str, body: Body) -> bool:
        return await self._put(key, body, IfNoneMatch="*")

    async def delete(self, key: str) -> None:
        with _translated(key):
            await self._client.delete_object(**self._at(key))

    async def items(self, prefix: str) -> list[Item]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        skip = len(self._prefix)
        with _translated(prefix):
            return [
                Item(found["Key"][skip:], found["Size"])
                async for page in pages
                for found in page.get("Contents", ())
            ]

    async def folders(self, prefix: str) -> list[str]:
        below = self._prefix + prefix
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=below, Delimiter="/"
        )
        with _translated(prefix):
            return [
                found["Prefix"][len(below) : -1]
                async for page in pages
                for found in page.get("CommonPrefixes", ())
            ]

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    async def _get(self, key: str, **options: str) -> bytes:
        with _translated(key):
            answer = await self._client.get_object(**self._at(key), **options)
            async with answer["Body"] as body:
                return await body.read()

    async def _put(self, key: str, body: Body, **condition: str) -> bool:
        view = memoryview(body)
        try:
            with _translated(key):
                if view.nbytes > PART_BYTES:
                    await self._put_in_parts(key, view, **condition)
                else:
                    await self._client.put_object(**self._at(key), Body=bytes(view), **condition)
        except _TakenError:
            return False
        return True

    async def _put_in_parts(self, key: str, view: memoryview, **condition: str) -> None:
        upload = await self._client.create_multipart_upload(**self._at(key))
        at = {**self._at(key), "UploadId": upload["UploadId"]}
        turn = asyncio.Semaphore(PARTS_AT_ONCE)

        async def send(number: int, start: int) -> dict[str, Any]:
            async with turn:
                part = bytes(view[start : start + PART_BYTES])
                answer = await self._client.upload_part(**at, PartNumber=number, Body=part)
            return {"PartNumber": number, "ETag": answer["ETag"]}

        try:
            starts = range(0, view.nbytes, PART_BYTES)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(send(n, start)) for n, start in enumerate(starts, 1)]
            parts = {"Parts": [task.result() for task in tasks]}
            await self._client.complete_multipart_upload(**at, MultipartUpload=parts, **condition)
        except BaseException:
            # An upload left open costs storage for ever. Should the store be away, its life-cycle rule
            # has the last word.
            with _forgiven():
                await self._client.abort_multipart_upload(**at)
            raise


class _TakenError(Exception):
    """Raised when the key of a conditional write is taken."""


@asynccontextmanager
async def open_s3(bucket: str, prefix: str, addressing: str) -> AsyncIterator[S3]:
    """The bucket, over one pool of connections."""
    config = AioConfig(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
        s3={"addressing_style": addressing},
    )
    with _translated(bucket):
        client = get_session().create_client("s3", config=config)
    async with client as opened:
        yield S3(opened, bucket, prefix)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """A driver's error as ours; a group's first stands for all."""
    try:
        yield
    except ExceptionGroup as group:
        raise _ours(group.exceptions[0], key) from group
    except (ClientError, BotoCoreError, HttpError, OSError, TimeoutError) as error:
        raise _ours(error, key) from error


def _ours(error: Exception, key: str) -> Exception:
    if not isinstance(error, ClientError):
        return Unreachable(f"object store: {error or type(error).__name__}")
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    if code in _TAKEN:
        return _TakenError(key)
    if code in _MISSING:
        return NotFound(f"no object {key}")
    return Unreachable(f"object store: {code} for {key}")


@contextmanager
def _forgiven() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError, HttpError, OSError, TimeoutError):
        return
