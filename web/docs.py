"""Documentation: Swagger UI on our own document, from files on this machine alone."""

from functools import cache
from importlib.resources import files

from aiohttp.web import Request, Response
from pydantic import Field

from charts.errors import NotFound
from web.view import Answer, Asked, view

HTML = "text/html"
_UI = files("swagger_ui_bundle") / "vendor"
_TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_START = """window.addEventListener("load", () => {
  SwaggerUIBundle({ url: "/openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null });
});
"""
_PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>Livecharts API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </head>
  <body><main id="ui"></main></body>
</html>
"""


class DocsAsked(Asked):
    """Which file."""

    name: str = Field(max_length=64)


@view(
    "GET",
    "/docs",
    access="open",
    rate="none",
    answers={200: Answer("The page.", {HTML: str})},
    tag="documentation",
)
async def docs(request: Request) -> Response:
    """This API, to read and to try."""
    return Response(text=_PAGE, content_type=HTML, headers={"Cache-Control": "no-cache"})


@view(
    "GET",
    "/docs/{name}",
    access="open",
    rate="none",
    asked=DocsAsked,
    answers={200: Answer("The file.", dict.fromkeys(["text/css", "text/javascript"], str))},
    refuses=(404,),
    tag="documentation",
)
async def docs_file(request: Request, asked: DocsAsked) -> Response:
    """A script or style sheet of the documentation."""
    headers = {"Cache-Control": "public, max-age=86400"}
    if asked.name == "start.js":
        return Response(text=_START, content_type="text/javascript", headers=headers)
    if asked.name not in _TYPES:
        raise NotFound("no such file")
    return Response(body=_file(asked.name), content_type=_TYPES[asked.name], charset="utf-8", headers=headers)


@cache
def _file(name: str) -> bytes:
    folder = next(one for one in _UI.iterdir() if one.name.startswith("swagger-ui-"))
    return (folder / name).read_bytes()
