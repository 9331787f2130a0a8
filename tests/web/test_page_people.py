"""The page for people with an account: log-in, what it opens, staying logged in, log-out."""

from collections.abc import AsyncIterator

import pytest

from charts.settings import Settings
from tests.web.browsing import Visit, browsing
from tests.web.conftest import PASSWORD, Desk, serving
from tests.web.fed_boards import FedBoards
from web.services import Services


@pytest.fixture
async def visit(desk: Desk) -> AsyncIterator[Visit]:
    """A site that shows nothing to strangers."""
    async with browsing(desk.address) as visit:
        yield visit


async def log_in(visit: Visit, name: str, password: str = PASSWORD) -> None:
    page = visit.page
    if not await page.locator("dialog").is_visible():
        await page.locator("#account").get_by_role("button", name="Log in").click()
    await page.locator("dialog").get_by_label("Name").fill(name)
    await page.locator("dialog").get_by_label("Password").fill(password)
    await page.locator("dialog").get_by_role("button", name="Log in").click()


async def test_a_stranger_is_asked_to_log_in_and_sees_the_chart_then(visit: Visit) -> None:
    page = visit.page
    await visit.open("/?region=DE")
    await visit.shows("h2", "This chart needs a log-in")
    await page.locator("main").get_by_role("button", name="Log in").click()
    await log_in(visit, "viewer", "not the password")
    await visit.shows("dialog .failed", "Wrong name or password.")
    await log_in(visit, "viewer")
    await visit.shows(".row .title", "The a")
    assert await page.locator("#nav").get_by_text("Operations").count() == 0


async def test_only_the_refresh_token_is_kept_and_is_good_once(visit: Visit) -> None:
    page = visit.page
    await visit.open("/?region=DE")
    await log_in(visit, "viewer")
    await visit.shows(".row .title", "The a")
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    first = await page.evaluate(kept)
    assert "eyJ" not in first, "an access token lies about"
    await page.reload()
    await visit.shows(".row .title", "The a")
    assert await page.evaluate(kept) != first


async def test_a_log_out_takes_everything_along_in_every_tab(visit: Visit) -> None:
    await visit.open("/?region=DE")
    await log_in(visit, "viewer")
    await visit.shows(".row .title", "The a")
    other = await visit.context.new_page()
    await other.goto(visit.address + "/?region=DE")
    await other.locator(".row .title").first.wait_for()
    await visit.page.get_by_role("button", name="Account of viewer").click()
    await visit.page.get_by_role("button", name="Log out").click()
    await visit.shows("h2", "This chart needs a log-in")
    await other.get_by_role("heading", name="This chart needs a log-in").wait_for()
    assert await visit.page.evaluate("localStorage.getItem('livecharts.refresh')") is None


async def test_the_page_stays_logged_in_by_itself(
    boards: FedBoards, closed_settings: Settings, desk: Desk
) -> None:
    """Access tokens of three seconds: streams end with them, and nobody who looks notices."""
    short = closed_settings.model_copy(update={"jwt_lifetime": 3.0})
    services = Services(settings=short, boards=boards, database=desk.database)
    async with serving(services) as address, browsing(address) as visit:
        await visit.open("/?region=DE")
        await log_in(visit, "viewer")
        await visit.shows(".row .title", "The a")
        await visit.stays()
        await visit.page.evaluate("""() => {
            window.kept = new Set();
            window.lost = false;
            setInterval(() => window.kept.add(localStorage.getItem("livecharts.refresh")), 50);
            const banner = document.getElementById("lost");
            new MutationObserver(() => (window.lost ||= banner.textContent.includes("is lost")))
                .observe(banner, {subtree: true, childList: true, characterData: true});
        }""")
        await visit.until("window.kept.size >= 4")
        await visit.shows(".row .title", "The a")
        assert not await visit.page.evaluate("window.lost")
        assert await visit.stayed()


async def test_operations_are_for_editors(visit: Visit, desk: Desk) -> None:
    page = visit.page
    await visit.open("/?view=operations")
    await visit.shows("h2", "For editors and admins")
    await log_in(visit, "admin")
    await visit.shows("h2", "Ledger")
    async with desk.session.get("/v1/ledger", headers=desk.bearer("admin")) as response:
        ledger = await response.json()
    await visit.shows(".big", f"{ledger['records']:,} records")
    shown = await page.locator("[aria-label=Verdicts] tbody tr").all_inner_texts()
    assert [text.split("\t")[:2] for text in shown] == [["counted", "14"], ["late", "2"]]
    assert await page.locator("[aria-label=Partitions] tbody tr").count() == 2


async def test_keys_are_made_shown_once_and_revoked(visit: Visit, desk: Desk) -> None:
    page = visit.page
    await visit.open("/?view=operations")
    await log_in(visit, "editor")
    await page.get_by_label("What the new key is for").fill("kitchen radio")
    await page.get_by_label("Region of the new key").fill("SE")
    await page.get_by_role("button", name="Create a key").click()
    await visit.shows(".secret code", "lck_")
    key = await page.locator(".secret code").inner_text()
    async with desk.session.get("/1/validate-token", headers={"Authorization": f"Token {key}"}) as response:
        assert (await response.json())["valid"]
    row = page.locator("[aria-label='API keys'] tr", has_text="kitchen radio")
    revoke = row.get_by_role("button", name="Revoke")
    await revoke.focus()
    for _ in range(2):  # all is looked at every few seconds: the button stays nevertheless
        await page.wait_for_event("request", lambda request: request.url.endswith("/v1/partitions"))
    assert await revoke.evaluate("button => button === document.activeElement")
    await revoke.press("Enter")
    await row.wait_for(state="detached")
    async with desk.session.get("/1/validate-token", headers={"Authorization": f"Token {key}"}) as response:
        assert not (await response.json())["valid"]
