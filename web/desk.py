"""The desk: where callers show who they are. What accounts need, made once from the settings."""

from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.web import Request

from charts.settings import Settings
from tables.accounts import Accounts
from tables.keys import Keys
from tables.postgres import Database
from tables.sessions import Sessions
from web.issuer import Issuer
from web.passwords import Passwords
from web.problem import Problem
from web.tokens import Keyring


@dataclass(frozen=True)
class Desk:
    """Accounts and what checks them; without a database, or a secret, there are none."""

    keyring: Keyring | None
    issuer: Issuer | None
    accounts: Accounts | None = None
    sessions: Sessions | None = None
    keys: Keys | None = None
    passwords: Passwords = field(default_factory=Passwords)

    @classmethod
    def of(cls, settings: Settings, database: Database | None) -> "Desk":
        keyring, issuer = Keyring.of(settings), Issuer.of(settings)
        if database is None:
            return cls(keyring, issuer)
        sessions = Sessions(database, settings.refresh_lifetime)
        return cls(keyring, issuer, Accounts(database), sessions, Keys(database))

    @property
    def people(self) -> Accounts:
        """The accounts, where there are any."""
        if self.accounts is None:
            raise Problem(503, "this worker has no accounts: it runs without Postgres")
        return self.accounts

    @property
    def signing(self) -> Keyring:
        if self.keyring is None:
            raise Problem(503, "nobody can log in: CHARTS_JWT_SECRET is not set")
        return self.keyring


DESK = web.AppKey("desk", Desk)


def desk_of(request: Request) -> Desk:
    return request.app[DESK]
