"""The embedded stack with its simulator, and the ways to it: the API, and what an operator types."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from simulator.ports import free_block
from simulator.stack import PORTS, Plan, Stack
from tests.web.browsing import Visit, as_shown
from web.clock import now_ms

#: Long enough that yesterday, or the day before, is final at any time of day.
PAST_H = 30
RATE = 3.0


@dataclass
class Site:
    """The stack, and who may do what there."""

    stack: Stack
    password: str

    @property
    def address(self) -> str:
        return self.stack.address

    def charts(self, *arguments: str) -> None:
        """What an operator would type."""
        subprocess.run(
            [sys.executable, "-m", "cli", *arguments], env=self.stack.environ, check=True, timeout=60
        )


@contextmanager
def standing(data_dir: Path) -> Iterator[Site]:
    """The stack, with thirty hours of plays behind it, for as long as the block runs."""
    said: dict[str, str] = {}
    plan = Plan(free_block(len(PORTS)), data_dir, RATE, regions=8, partitions=2, past_h=PAST_H)
    stack = Stack(plan, said.__setitem__)
    try:
        stack.start()
        yield Site(stack, said["admin"].split("password ")[1].split()[0])
    finally:
        stack.stop()


@dataclass
class Api:
    """The same site without the page."""

    session: ClientSession
    site: Site

    async def get(self, path: str) -> Any:
        async with self.session.get(f"/v1/{path}") as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def play(self, region: str, plays: dict[str, int], name: str) -> None:
        """Posts plays of the present moment: so many of each track, with ids that begin with a name."""
        token = await self._post("auth/token", {"username": "admin", "password": self.site.password})
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        key = await self._post("auth/keys", {"name": name}, bearer)
        now = now_ms()
        await self._post(
            "plays",
            [
                {
                    "play_id": f"{name}-{number}",
                    "user_id": "somebody",
                    "track_id": track,
                    "title": track.title(),
                    "artist": "The Testers",
                    "region": region,
                    "played_at": now,
                    "ms_played": 180_000,
                }
                for track, count in plays.items()
                for number in range(count)
            ],
            {"Authorization": f"Token {key['key']}"},
        )

    async def _post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        async with self.session.post(f"/v1/{path}", json=body, headers=headers) as response:
            assert response.status in {200, 201, 202}, await response.text()
            return await response.json()


async def agrees(visit: Visit, api: Api, path: str, count: int = 10) -> None:
    """Waits until the first rows on the page are the chart's; both are of a moment, and moments pass."""
    for _ in range(40):
        shown = await visit.rows(count)
        chart = as_shown(await api.get(f"charts/{path}"), count)
        if shown == chart and shown:
            return
        await visit.page.wait_for_timeout(250)
    assert shown == chart


async def log_in(visit: Visit, site: Site) -> None:
    page = visit.page
    await page.locator("#account").get_by_role("button", name="Log in").click()
    dialog = page.locator("dialog")
    await dialog.get_by_label("Name").fill("admin")
    await dialog.get_by_label("Password").fill(site.password)
    await dialog.get_by_role("button", name="Log in").click()
    await dialog.wait_for(state="detached")
