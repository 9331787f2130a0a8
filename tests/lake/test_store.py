"""Object stores: S3 and a folder keep the same promises."""

import asyncio
import errno
import os
import secrets

import pytest

from charts.errors import NotFound, Unreachable
from charts.settings import Settings
from simulator.servers import free_ports
from tables import s3
from tables.folder import Folder
from tables.store import Item, Store, open_store
from tests.conftest import Lake


async def test_what_was_put_is_got(store: Store) -> None:
    await store.put("a/b.parquet", b"one")
    await store.put("a/b.parquet", b"second")
    assert await store.get("a/b.parquet") == b"second"
    assert await store.get_end("a/b.parquet", 3) == b"ond"
    assert await store.get_end("a/b.parquet", 300) == b"second"


async def test_nothing_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.get("a/nothing")
    with pytest.raises(NotFound):
        await store.get_end("a/nothing", 8)
    await store.delete("a/nothing")


async def test_of_twenty_who_write_a_new_object_one_wins(store: Store) -> None:
    bodies = [b"%02d" % number for number in range(20)]
    won: list[bytes] = []

    async def write(body: bytes) -> None:
        try:
            if await store.put_new("once", body):
                won.append(body)
        except Unreachable:
            # S3 may answer that others are just writing: no promise broken, try again.
            assert not await store.put_new("once", body)

    await asyncio.gather(*map(write, bodies))
    assert [await store.get("once")] == won
    assert not await store.put_new("once", b"later")


async def test_a_listing_is_complete_and_sorted(store: Store) -> None:
    keys = [f"raw/hour={n % 24:02}/p{n:04}" for n in range(1030)]
    turn = asyncio.Semaphore(16)

    async def put(key: str) -> None:
        async with turn:
            await store.put(key, b"x")

    await asyncio.gather(*map(put, keys), store.put("rawer/x", b""), store.put("q", b""))
    assert await store.items("raw/") == [Item(key, 1) for key in sorted(keys)]
    assert await store.folders("raw/") == [f"hour={n:02}" for n in range(24)]
    assert await store.items("raw/hour=07/p00") == [
        Item(key, 1) for key in sorted(keys) if key.startswith("raw/hour=07/p00")
    ]
    assert await store.items("none/") == []
    assert await store.folders("none/") == []


async def test_what_cannot_be_listed_is_not_empty(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    await folder.put("a/b.parquet", b"one")

    def stale(path: object) -> object:
        raise OSError(errno.ESTALE, "stale file handle")

    monkeypatch.setattr(os, "scandir", stale)
    monkeypatch.setattr(os, "listdir", stale)
    with pytest.raises(Unreachable):
        await folder.items("a/")
    with pytest.raises(Unreachable):
        await folder.folders("a/")


async def test_deleted_is_gone(store: Store) -> None:
    await store.put("a/b", b"x")
    await store.delete("a/b")
    assert await store.items("a/") == []
    assert await store.put_new("a/b", b"y")


async def test_a_large_object_goes_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    body = secrets.token_bytes(1 << 20) * 12 + b"the end"
    assert await store.put_new("large", body)
    assert await store.get("large") == body
    assert await store.get_end("large", 7) == b"the end"
    await store.put("large", memoryview(body)[1:])
    assert await store.get("large") == body[1:]
    assert not await store.put_new("large", body)


async def test_a_store_that_is_away_is_unreachable(monkeypatch: pytest.MonkeyPatch, lake_s3: Lake) -> None:
    monkeypatch.setattr(s3, "ATTEMPTS", 2)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    async with open_store(Settings(lake_url=lake_s3.url)) as store:
        with pytest.raises(Unreachable):
            await store.put("a", b"x")
        with pytest.raises(Unreachable):
            await store.items("")


async def test_wrong_credentials_and_a_wrong_bucket_are_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, lake_s3: Lake
) -> None:
    async with open_store(Settings(lake_url="s3://no-such-bucket")) as store:
        with pytest.raises(Unreachable, match="NoSuchBucket"):
            await store.items("")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    async with open_store(Settings(lake_url=lake_s3.url)) as store:
        with pytest.raises(Unreachable, match=r"SignatureDoesNotMatch|AccessDenied"):
            await store.put("a", b"x")
