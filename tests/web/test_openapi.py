"""The document: complete, valid, and what the live server does."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from jsonschema import Draft202012Validator

from charts.settings import Settings
from tables.archive import Archive
from tables.topics import create_topics
from tests.web.conftest import Desk, serving
from tests.web.fed_boards import FedBoards
from web.openapi import document
from web.outbox import Outbox
from web.services import Services
from web.site import mount
from web.views import views


def test_every_route_is_documented_and_nothing_else(boards: FedBoards, settings: Settings) -> None:
    application = web.Application()
    mount(application, Services(settings=settings, boards=boards))
    routes = {
        (route.resource.canonical, route.method.lower())
        for route in application.router.routes()
        if route.resource
    }
    paths = document(views())["paths"]
    told = {(path, method) for path, methods in paths.items() for method in methods}
    mirrored = {(f"/api{path}", method) for path, method in told if path.startswith("/v1/")}
    heads = {(path, "head") for path, method in told | mirrored if method == "get"}
    assert {(path, method) for path, method in routes if method != "head"} == told | mirrored
    assert {(path, method) for path, method in routes if method == "head"} <= heads


def test_the_document_is_openapi_3_1() -> None:
    made = document(views())
    assert made["openapi"] == "3.1.0"
    names: list[str] = []
    for methods in made["paths"].values():
        for operation in methods.values():
            names.append(operation["operationId"])
            assert operation["summary"]
            assert operation["responses"]
    assert len(names) == len(set(names))
    for reference in _references(made):
        kind, name = reference.removeprefix("#/components/").split("/")
        assert name in made["components"][kind], reference
    for schema in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return found + [one for inner in value.values() for one in _references(inner)]
    return [one for inner in value for one in _references(inner)] if isinstance(value, list) else []


async def test_the_documentation_needs_no_other_host(client: ClientSession) -> None:
    async with client.get("/docs") as response:
        text = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in text
    assert "https:" not in text
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        async with client.get(f"/docs/{name}") as response:
            assert response.status == 200, name
    async with client.get("/docs/secrets.txt") as response:
        assert response.status == 404
    async with client.get("/openapi.json") as response:
        assert (await response.json())["info"]["title"] == "Livecharts"


#: Streams do not end; a changed password or account is another's 401.
APART = "^/(v1/(live|ws|plays)|v1/auth/(password|users)|docs|page|play|1|apis)"
INGEST = "^/(v1/plays|play|1|apis)"


@pytest.mark.parametrize("who", ["admin", "ingest"])
async def test_the_live_server_keeps_to_its_document(
    desk: Desk, boards: FedBoards, kafka: str, topic_name: str, tmp_path: Path, who: str
) -> None:
    """schemathesis asks whatever the document allows and some it does not: no 500, no undocumented answer."""
    settings = desk.settings.model_copy(update={"kafka_url": kafka, "log_id": topic_name.rsplit("-", 1)[1]})
    await create_topics(settings)
    outbox = Outbox(settings)
    services = Services(
        settings=settings,
        boards=boards,
        database=desk.database,
        archive=Archive(desk.database),
        outbox=outbox,
        opens=(outbox,),
    )
    header = desk.bearer("admin") if who == "admin" else desk.ingest
    async with serving(services) as address:
        run = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json",
            "--header", f"Authorization:{header['Authorization']}",
            "--phases", "examples,coverage,fuzzing",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
            "response_headers_conformance,response_schema_conformance",
            *(["--exclude-path-regex", APART] if who == "admin" else ["--include-path-regex", INGEST]),
            "--max-examples", "10",
            "--continue-on-failure",
            "--no-color",
            "--seed", os.environ.get("SCHEMATHESIS_SEED", "7"),
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await run.communicate()
    assert run.returncode == 0, output.decode()[-6000:]
