"""The page's files: all there, few bytes, no outside host, nothing inline that its CSP would refuse."""

import posixpath
import re

import pytest
from aiohttp import ClientSession

from web.front import FOLDER, files

#: JavaScript and CSS together, as a browser holds them.
BYTES_MAX = 80_000
SOURCES = {name: content.decode() for name, content in files().items()}
INDEX = (FOLDER / "index.html").read_text()


async def test_the_page_brings_every_file_it_names(client: ClientSession) -> None:
    async with client.get("/") as response:
        text = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert response.content_type == "text/html"
    assert "unsafe" not in policy and "script-src 'self'" in policy and "style-src 'self'" in policy
    named = re.findall(r'(?:src|href)="(/page/[^"]+)"', text)
    assert {path.split("/", 3)[3] for path in named} == set(files())
    for path in named:
        async with client.get(path) as response:
            assert response.status == 200, path
            assert "immutable" in response.headers["Cache-Control"]


async def test_a_browser_that_has_the_page_is_told_so(client: ClientSession) -> None:
    async with client.get("/") as response:
        etag = response.headers["ETag"]
    async with client.get("/", headers={"If-None-Match": etag}) as response:
        assert response.status == 304
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["0" * 12 + "/main.js", "../main.js", "x/main.js"])
async def test_no_other_file_is_served(client: ClientSession, path: str) -> None:
    async with client.get(f"/page/{path}") as response:
        assert response.status in {400, 404}


def test_every_import_is_a_file() -> None:
    scripts = {name: text for name, text in SOURCES.items() if name.endswith(".js")}
    for name, text in scripts.items():
        for target in re.findall(r'from "(.+?)"', text):
            assert posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) in scripts, name


def test_no_text_goes_over_lines() -> None:
    """The indentation in it would be lost."""
    for path in FOLDER.rglob("*.js"):
        over = [line for line in path.read_text().splitlines() if line.count("`") % 2]
        assert not over, path


def test_scripts_and_styles_are_few_bytes() -> None:
    sizes = {name: len(text.encode()) for name, text in SOURCES.items() if not name.endswith(".svg")}
    assert sum(sizes.values()) < BYTES_MAX, sizes


@pytest.mark.parametrize("name", ["index.html", *SOURCES])
def test_no_outside_host_and_nothing_inline(name: str) -> None:
    text = SOURCES.get(name, INDEX)
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}
    for inline in (
        r"\sstyle=",
        r"\son\w+=\"",
        r"<script>",
        r"<style",
        r"innerHTML",
        r"\beval\(",
        r"javascript:",
    ):
        assert not re.search(inline, text), inline
