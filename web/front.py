"""The page's own files. Their address names their content, so a browser asks for each only once."""

import hashlib
import re
from functools import cache
from pathlib import Path

from aiohttp.web import Request, Response
from pydantic import Field

from charts.errors import NotFound
from web.view import Answer, Asked, view

FOLDER = Path(__file__).parent / "page"
HTML = "text/html"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: Comments are for us. One stands on lines of its own and leaves them empty, so that line numbers hold.
_COMMENT = re.compile(r"^[ \t]*(?:/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)$", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


class FileAsked(Asked):
    """Which file, of which state of the page."""

    version: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str = Field(max_length=64)


@view("GET", "/", access="open", rate="none", answers={200: Answer("The page.", {HTML: str})}, tag="page")
async def index(request: Request) -> Response:
    """The page itself: the chart of now, live."""
    etag = f'"{version()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match") == etag:
        # Typed as the page is: what a 304 says of its policy replaces what the browser kept.
        return Response(status=304, content_type=HTML, headers=headers)
    return Response(text=_index(), content_type=HTML, headers=headers)


@view(
    "GET",
    "/page/{version}/{name:.+}",
    access="open",
    rate="none",
    asked=FileAsked,
    answers={200: Answer("The file.", dict.fromkeys(_TYPES.values(), str))},
    refuses=(404,),
    tag="page",
)
async def file(request: Request, asked: FileAsked) -> Response:
    """A script, a style sheet or a picture of the page."""
    found = files().get(asked.name)
    if found is None or asked.version != version():
        raise NotFound("no such file of this state of the page")
    kind = _TYPES[Path(asked.name).suffix]
    return Response(body=found, content_type=kind, charset="utf-8", headers=_FOREVER)


@cache
def files() -> dict[str, bytes]:
    """Every file the page is made of, by its path inside the folder."""
    found = sorted(path for path in FOLDER.rglob("*") if path.suffix in _TYPES)
    return {str(path.relative_to(FOLDER)): _slim(path.read_text()).encode() for path in found}


def _slim(text: str) -> str:
    """Comments and indentation are for who reads the source; every line stays in its place."""
    return _INDENT.sub("", _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text))


@cache
def version() -> str:
    """A name of exactly these files."""
    digest = hashlib.sha256((FOLDER / "index.html").read_bytes())
    for name, content in files().items():
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()[:12]


@cache
def _index() -> str:
    """The page with its files' present addresses; modules are asked for at once, not one after another."""
    folder = f"/page/{version()}/"
    text = (FOLDER / "index.html").read_text()
    modules = [name for name in files() if name.endswith(".js") and name != "theme.js"]
    links = "\n".join(f'    <link rel="modulepreload" href="{folder}{name}">' for name in modules)
    return re.sub(r'"/?page/', f'"{folder}', text).replace("    <!-- modules -->", links)
