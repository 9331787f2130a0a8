"""A Postgres to be stopped."""

from tests.tables.conftest import own_server

__all__ = ["own_server"]
