"""`charts user`: the first admin is made from a shell."""

import asyncio

import pytest
from click.testing import CliRunner, Result

from charts import settings as settings_module
from cli import main
from tables.accounts import Accounts, User
from tables.postgres import Database
from web.passwords import Passwords


@pytest.fixture
def charts(database_url: str, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Runs a command on a fresh database."""
    monkeypatch.setenv("CHARTS_POSTGRES_URL", database_url)
    settings_module.settings.cache_clear()

    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, ["user", *arguments], input=stdin)

    yield run
    settings_module.settings.cache_clear()


def user_of(url: str, name: str) -> User | None:
    async def look() -> User | None:
        async with Database(url, connections=1) as database:
            return await Accounts(database).by_name(name)

    return asyncio.run(look())


def fits(user: User | None, password: str) -> bool:
    async def check() -> bool:
        passwords = Passwords()
        try:
            return await passwords.check(user and user.password_hash, password)
        finally:
            passwords.close()

    return asyncio.run(check())


def test_an_admin_is_made_with_a_password_said_once(charts, database_url: str) -> None:  # type: ignore[no-untyped-def]
    made = charts("create", "anna", "--role", "admin")
    assert made.exit_code == 0, made.output
    password = made.output.split("password: ")[1].strip()
    user = user_of(database_url, "ANNA")
    assert user is not None
    assert (user.name, user.role) == ("anna", "admin")
    assert fits(user, password)
    assert charts("create", "Anna").exit_code == 1
    assert "anna" in charts("list").output


def test_a_password_is_read_from_stdin_and_never_said(charts, database_url: str) -> None:  # type: ignore[no-untyped-def]
    made = charts("create", "bert", "--password-file", "-", stdin="a long enough one\n")
    assert made.exit_code == 0
    assert "long enough" not in made.output
    assert fits(user_of(database_url, "bert"), "a long enough one")


def test_roles_and_passwords_change(charts, database_url: str) -> None:  # type: ignore[no-untyped-def]
    charts("create", "carl")
    assert "carl is editor, active" in charts("change", "carl", "--role", "editor").output
    assert "carl is editor, off" in charts("change", "carl", "--off").output
    password = charts("password", "carl").output.split("password: ")[1].strip()
    assert fits(user_of(database_url, "carl"), password)


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "x"),
        ("create", "dora", "--role", "queen"),
        ("change", "nobody", "--on"),
        ("password", "nobody"),
    ],
)
def test_what_cannot_be_done_is_one_line(charts, arguments: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    failed = charts(*arguments)
    assert failed.exit_code != 0
    assert "Traceback" not in failed.output


def test_a_short_password_is_refused(charts) -> None:  # type: ignore[no-untyped-def]
    assert charts("create", "emil", "--password-file", "-", stdin="short\n").exit_code == 2
