"""A folder as an object store: for one machine, and for tests.

An object is written beside, under `.new/` on the same file system, made durable, and only then given its
name: by a rename, which replaces in one step, or by a link, which fails where the name is taken.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from charts.errors import NotFound, Unreachable
from tables.store import Body, Item

_NEW = ".new"
#: There is no such folder, which lists as an empty one does.
_GONE = (FileNotFoundError, NotADirectoryError)


class Folder:
    """An object store in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def at(cls, path: str) -> "Folder":
        """The store in this folder, made where it is missing; raises Unreachable."""
        root = Path(path)
        try:
            (root / _NEW).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unreachable(f"lake folder {path}: {error.strerror}") from error
        return cls(root)

    async def get(self, key: str) -> bytes:
        return await asyncio.to_thread(self._get, key, None)

    async def get_end(self, key: str, size: int) -> bytes:
        return await asyncio.to_thread(self._get, key, size)

    async def put(self, key: str, body: Body) -> None:
        await asyncio.to_thread(self._put, key, body, False)

    async def put_new(self, key: str, body: Body) -> bool:
        return await asyncio.to_thread(self._put, key, body, True)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._delete, key)

    async def items(self, prefix: str) -> list[Item]:
        return await asyncio.to_thread(self._items, prefix)

    async def folders(self, prefix: str) -> list[str]:
        return await asyncio.to_thread(self._folders, prefix)

    def _get(self, key: str, end: int | None) -> bytes:
        try:
            with (self.root / key).open("rb") as file:
                if end is not None:
                    file.seek(max(0, os.fstat(file.fileno()).st_size - end))
                return file.read()
        except FileNotFoundError as error:
            raise NotFound(f"no object {key}") from error
        except OSError as error:
            raise Unreachable(f"lake folder: {error}") from error

    def _put(self, key: str, body: Body, only_new: bool) -> bool:
        path, fresh = self.root / key, self.root / _NEW / secrets.token_hex(8)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            try:
                if only_new:
                    path.hardlink_to(fresh)
                else:
                    fresh.rename(path)
            finally:
                fresh.unlink(missing_ok=True)
            _sync(path.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise Unreachable(f"lake folder: {error}") from error
        return True

    def _delete(self, key: str) -> None:
        try:
            (self.root / key).unlink(missing_ok=True)
        except OSError as error:
            raise Unreachable(f"lake folder: {error}") from error

    def _items(self, prefix: str) -> list[Item]:
        folder = self.root / (prefix if prefix.endswith("/") else prefix.rpartition("/")[0])
        found = (Item(path.relative_to(self.root).as_posix(), size) for path, size in _files(folder))
        try:
            return sorted(item for item in found if item.key.startswith(prefix))
        except OSError as error:
            raise Unreachable(f"lake folder: {error}") from error

    def _folders(self, prefix: str) -> list[str]:
        try:
            below = list((self.root / prefix).iterdir())
            return sorted(path.name for path in below if path.is_dir() and path.name != _NEW)
        except _GONE:
            return []
        except OSError as error:
            raise Unreachable(f"lake folder: {error}") from error


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file below, with its size; what vanishes meanwhile is passed over."""
    for parent, folders, names in os.walk(folder, onerror=_unless_gone):
        folders[:] = [name for name in folders if name != _NEW]
        for name in names:
            path = Path(parent, name)
            try:
                yield path, path.stat().st_size
            except FileNotFoundError:
                continue


def _unless_gone(error: OSError) -> None:
    """A folder that cannot be listed is no empty one."""
    if not isinstance(error, _GONE):
        raise error


def _sync(folder: Path) -> None:
    """Makes a new name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
