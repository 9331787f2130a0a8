"""A real browser looking at the page, and everything it must not do while it does."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
#: How long anything on the page may take; generous, since the machine may be busy.
PATIENCE_MS = 15_000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Visit:
    """One person's browser at one site, and what went wrong there."""

    page: Page
    context: BrowserContext
    address: str
    #: Console errors and warnings, exceptions, requests to other hosts.
    faults: list[str] = field(default_factory=list)

    async def open(self, path: str = "/") -> None:
        await self.page.goto(self.address + path)

    async def shows(self, selector: str, text: str | None = None) -> None:
        """Waits until this can be seen, with this text in it."""
        found = self.page.locator(selector)
        await (found.filter(has_text=text) if text else found).first.wait_for()

    async def until(self, script: str, argument: Any = None) -> None:
        """Waits until a question to the page is answered with yes."""
        # A function, not an expression: the page's CSP lets nobody evaluate text.
        await self.page.wait_for_function(f"given => {script}", arg=argument)

    async def rows(self, count: int = 10) -> list[list[str]]:
        """What the first rows say: rank, title, artist, plays."""
        script = """count => [...document.querySelectorAll(".rows-body .row")].slice(0, count).map(
            row => [".rank", ".title", ".artist", ".plays"].map(
                part => row.querySelector(part).textContent))"""
        return await self.page.evaluate(script, count)

    async def stays(self) -> None:
        """Leaves a mark that a reload would wipe away."""
        await self.page.evaluate("window.stayed = true")

    async def stayed(self) -> bool:
        return await self.page.evaluate("window.stayed === true")

    async def query(self) -> str:
        return await self.page.evaluate("location.search")

    async def shot(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png")

    def fault(self, text: str) -> None:
        self.faults.append(text)


def as_shown(chart: dict[str, Any], count: int = 10) -> list[list[str]]:
    """A chart's first rows as the page writes them in British English."""
    return [
        [
            str(row["rank"]),
            row["title"] or row["track_id"],
            row["artist"] or "Unknown artist",
            f"{row['plays']:,}",
        ]
        for row in chart["entries"][:count]
    ]


@asynccontextmanager
async def browsing(address: str, *, forgive: tuple[str, ...] = (), **options: Any) -> AsyncIterator[Visit]:
    """A browser with an empty cache; at the end nothing must have gone wrong but what is forgiven."""
    if not Path(CHROMIUM).exists():
        assert os.environ.get("CI") != "true", f"no Chromium at {CHROMIUM}"
        pytest.skip(f"no Chromium at {CHROMIUM}: apt-get install --no-install-recommends chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            context = await browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB"} | options)
            context.set_default_timeout(PATIENCE_MS)
            page = await context.new_page()
            visit = Visit(page, context, address)
            _watch(visit)
            yield visit
            unforgiven = [fault for fault in visit.faults if not any(text in fault for text in forgive)]
            assert not unforgiven, unforgiven
        finally:
            await browser.close()


def _watch(visit: Visit) -> None:
    page = visit.page
    page.on(
        "console",
        lambda said: (
            visit.fault(f"{said.type}: {said.text} {said.location.get('url')}")
            if said.type in {"error", "warning"}
            else None
        ),
    )
    page.on("pageerror", lambda error: visit.fault(f"exception: {error}"))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((visit.address, "blob:", "data:"))
            else visit.fault(f"another host: {request.url}")
        ),
    )


def npm() -> str:
    """npm, or a skip."""
    found = shutil.which("npm")
    if found is None:
        assert os.environ.get("CI") != "true", "no npm"
        pytest.skip("no npm, which brings axe-core: apt-get install npm")
    return found
