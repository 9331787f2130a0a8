"""What an operator does to accounts from a shell: `charts user`. The first admin is made here."""

import asyncio
from collections.abc import Awaitable, Callable
from secrets import token_urlsafe
from typing import TextIO, TypeVar, get_args

import click
from pydantic import TypeAdapter, ValidationError

from charts.errors import BadRequest
from charts.settings import settings
from tables.accounts import Accounts, Event, Role, User
from tables.postgres import Database
from web.accounts import Name, Password
from web.passwords import Passwords

Result = TypeVar("Result")
_ROLES = click.Choice(get_args(Role))
#: How many `list` shows.
_LISTED = 10_000


@click.group("user")
def user_group() -> None:
    """Accounts: make them, list them, change what they may."""


@user_group.command("create")
@click.argument("name")
@click.option("--role", type=_ROLES, default="viewer", show_default=True)
@click.option(
    "--password-file", type=click.File(), help="read the password from a file (- for stdin); else one is made"
)
def create(name: str, role: Role, password_file: TextIO | None) -> None:
    """Make an account; a password that was made here is printed once."""
    password = password_file.read().rstrip("\n") if password_file else token_urlsafe(16)
    _check(name, password)
    _run(lambda accounts: _create(accounts, name, password, role))
    click.echo(f"made {role} {name}")
    if password_file is None:
        click.echo(f"password: {password}")


@user_group.command("list")
def list_users() -> None:
    """Everybody with an account."""
    for user in _run(lambda accounts: accounts.all(_LISTED)):
        click.echo(f"{user.name:<32} {user.role:<8} {'active' if user.active else 'off'}")


@user_group.command("change")
@click.argument("name")
@click.option("--role", type=_ROLES, default=None)
@click.option("--on/--off", "active", default=None, help="switch the account on or off")
def change(name: str, role: Role | None, active: bool | None) -> None:
    """Give an account another role, or switch it on or off; its log-ins end."""
    user = _run(lambda accounts: _change(accounts, name, role, active))
    click.echo(f"{user.name} is {user.role}, {'active' if user.active else 'off'}")


@user_group.command("password")
@click.argument("name")
def new_password(name: str) -> None:
    """Give an account a new password, printed once; its log-ins end, its lock too."""
    password = token_urlsafe(16)
    _run(lambda accounts: _reset(accounts, name, password))
    click.echo(f"password: {password}")


async def _create(accounts: Accounts, name: str, password: str, role: Role) -> None:
    await accounts.create(name, await _hashed(password), role)
    await accounts.record(Event("account made", name=name, actor="shell", details={"role": role}))


async def _change(accounts: Accounts, name: str, role: Role | None, active: bool | None) -> User:
    user = await accounts.change(name, role, active)
    details = {"role": role, "active": active}
    await accounts.record(Event("account changed", name=name, actor="shell", details=details))
    return user


async def _reset(accounts: Accounts, name: str, password: str) -> None:
    user = await accounts.by_name(name)
    if user is None:
        raise BadRequest(f"there is no user {name}")
    await accounts.set_password(user.user_id, await _hashed(password))
    await accounts.forget_failures(name)
    await accounts.record(Event("password reset", name=name, actor="shell"))


async def _hashed(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _check(name: str, password: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
        TypeAdapter(Password).validate_python(password)
    except ValidationError as error:
        raise click.BadParameter(error.errors(include_input=False, include_url=False)[0]["msg"]) from None


def _run(work: Callable[[Accounts], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with Database(settings().postgres_url.get_secret_value(), connections=1) as database:
            return await work(Accounts(database))

    return asyncio.run(run())
