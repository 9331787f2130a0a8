"""Which object store the tests run on: the embedded one, or MinIO with `TEST_STORE=minio`.

`make test-minio` runs every test with an object store on MinIO.
"""

import contextlib
import os
import secrets
from pathlib import Path

import pytest

from charts.errors import BadSettings, Unreachable
from simulator import minio
from simulator.minio import MinIO
from simulator.servers import Keys, ObjectStore, free_ports

MINIO = os.environ.get("TEST_STORE") == "minio"

AnyStore = ObjectStore | MinIO


def build() -> None:
    """Have the program ready; a test says why it cannot be had."""
    if MINIO:
        with contextlib.suppress(BadSettings, Unreachable):
            minio.build()


def new_store(folder: Path) -> AnyStore:
    """An object store on free ports with keys of its own, not yet started; skips where it cannot be had."""
    kind = MinIO if MINIO else ObjectStore
    if MINIO:
        try:
            minio.build()
        except (BadSettings, Unreachable) as error:
            pytest.skip(str(error))
    return kind(folder, free_ports(kind.PORTS), Keys(secrets.token_hex(8), secrets.token_hex(16)))


def start(store: AnyStore) -> None:
    store.start()
    store.wait()
