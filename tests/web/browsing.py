"""A real browser looking at the page, and everything it must not do while it does."""

import os
import shutil
import sys
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
PATIENCE_MS = 60_000
#: With an empty cache, until the first row is painted.
FIRST_CHART_MS_MAX = 1000
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


def need_chromium() -> None:
    """A browser, or a skip."""
    if not Path(CHROMIUM).exists():
        assert os.environ.get("CI") != "true", f"no Chromium at {CHROMIUM}"
        pytest.skip(f"no Chromium at {CHROMIUM}: apt-get install --no-install-recommends chromium")


@asynccontextmanager
async def browsing(address: str, *, forgive: tuple[str, ...] = (), **options: Any) -> AsyncIterator[Visit]:
    """A browser with an empty cache; at the end nothing must have gone wrong but what is forgiven."""
    need_chromium()
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


async def findings(visit: Visit, axe: str) -> list[str]:
    """What axe finds on the page as it stands, best practices included."""
    await visit.page.evaluate(axe)
    result: dict[str, Any] = await visit.page.evaluate("() => axe.run(document)")
    return [
        f"{found['impact']}: {found['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for found in result["violations"]
        for node in found["nodes"]
    ]


async def first_paints_ms(address: str, path: str = "/") -> list[int]:
    """When the first row was painted, with an empty cache; thrice, since the machine may be busy."""
    took = []
    for _ in range(3):
        async with browsing(address) as visit:
            await visit.page.add_init_script("""
                new MutationObserver((_, watching) => {
                    if (!document.querySelector(".rows-body .row")) return;
                    watching.disconnect();
                    requestAnimationFrame(() => setTimeout(() => (window.painted = performance.now())));
                }).observe(document, {childList: true, subtree: true});
            """)
            await visit.open(path)
            await visit.until("window.painted")
            took.append(round(await visit.page.evaluate("window.painted")))
    return took


def report(text: str) -> None:
    """A figure for whoever reads the run with -rP or -s."""
    sys.stdout.write(f"{text}\n")
