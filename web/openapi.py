"""OpenAPI 3.1: the document of this API, made from the views' declarations and their models.

One source: what is not declared is closed, so what is open is documented. A test holds the document
against the routes, and schemathesis holds the answers against the document.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any

import orjson
from aiohttp.web import Request, Response
from pydantic import TypeAdapter

from web.problem import MEDIA_TYPE, ProblemBody, title_of
from web.view import JSON, Answer, View, view
from web.views import views

_REF = "#/components/schemas/{model}"
_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "an access token of /v1/auth/token",
    },
    "password": {
        "type": "oauth2",
        "flows": {"password": {"tokenUrl": "/v1/auth/token", "refreshUrl": "/v1/auth/refresh", "scopes": {}}},
    },
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Token <key>`, a key of /v1/auth/keys",
    },
}
_ABOUT = """Live music charts, computed from the stream of plays, exact to the last play.

All paths under `/v1` are also under `/api/v1`. Errors are problem+json (RFC 9457), but for ListenBrainz's.
Times are RFC 3339 in UTC. `RateLimit-*` headers tell how many calls are left.
"""
_LIMITED = {"RateLimit-Limit": "a full bucket", "RateLimit-Remaining": "calls left now"}


@view("GET", "/openapi.json", access="open", rate="none", answers=dict[str, Any], tag="documentation")
async def openapi(request: Request) -> Response:
    """This document."""
    return Response(body=document_bytes(), content_type=JSON)


@cache
def document_bytes() -> bytes:
    return orjson.dumps(document(views()))


def document(found: Iterable[View]) -> dict[str, Any]:
    """The document of these views."""
    found = list(found)
    schemas, components = _schemas(found)
    paths: dict[str, dict[str, Any]] = {}
    for one in found:
        for path in (one.path, *one.aliases):
            operation = _operation(one, schemas, components)
            if path != one.path:
                operation["operationId"] += "".join(part.title() for part in re.findall(r"\w+", path))
            paths.setdefault(_plain(path), {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Livecharts", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [
            {"name": tag, "description": _topic(tag)} for tag in dict.fromkeys(one.tag for one in found)
        ],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }


def _operation(one: View, schemas: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    summary, _, rest = one.description.partition("\n")
    operation: dict[str, Any] = {
        "operationId": f"{one.handler.__module__.removeprefix('web.')}_{one.name}",
        "tags": [one.tag],
        "summary": summary.rstrip("."),
        "description": f"{rest.strip()}\n\nFor: {_for(one)}.".strip(),
        "security": _security(one),
        "responses": _responses(one, schemas),
    }
    if parameters := _parameters(one, components):
        operation["parameters"] = parameters
    if one.body is not None:
        schema = schemas[one.body, "validation"]
        content = {media: {"schema": schema} for media in one.media or (JSON,)}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(one: View, components: dict[str, Any]) -> list[dict[str, Any]]:
    parameters = []
    if one.asked is not None:
        shape = one.asked.model_json_schema(ref_template=_REF)
        components |= shape.pop("$defs", {})
        needed = set(shape.get("required", ()))
        for name, schema in shape["properties"].items():
            place = "path" if name in one.path_names else "query"
            described = {"description": schema.pop("description")} if "description" in schema else {}
            parameter = {"name": name, "in": place, "required": place == "path" or name in needed}
            parameters.append({**parameter, **described, "schema": _unless_null(schema)})
    for name, text in one.reads.items():
        parameters.append(
            {
                "name": name,
                "in": "header",
                "required": False,
                "description": text,
                "schema": {"type": "string"},
            }
        )
    return parameters


def _responses(one: View, schemas: dict[Any, Any]) -> dict[str, Any]:
    answers: dict[int, Answer] = dict(one.answers)
    for status in _refusals(one):
        content = {"text/plain": str} if status == 429 and one.refuse else {_media(one): one.refusal}
        answers.setdefault(
            status,
            Answer(title_of(status), content, {"Retry-After": "seconds"} if status in {429, 503} else {}),
        )
    return {str(status): _response(one, answers[status], schemas) for status in sorted(answers)}


def _refusals(one: View) -> set[int]:
    """The statuses that follow from the declaration, and those it names."""
    refusals = {*one.refuses}
    if one.asked is not None:
        refusals.add(400)
    if one.access != "open":
        refusals |= {401, 503} if one.refuse else {401, 403, 503}
    if one.rate != "none":
        refusals.add(429)
    if one.body is not None and one.refuse is None:
        refusals |= {400, 413, 415, 422}
    return refusals


def _response(one: View, answer: Answer, schemas: dict[Any, Any]) -> dict[str, Any]:
    told = answer.headers | (_LIMITED if one.rate != "none" else {})
    response: dict[str, Any] = {
        "description": answer.description,
        "headers": {name: {"description": text, "schema": {"type": "string"}} for name, text in told.items()},
    }
    if answer.content:
        content = {
            media: {"schema": schemas[model, "serialization"]} for media, model in answer.content.items()
        }
        response["content"] = content
    return response


def _schemas(found: list[View]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Every model's schema, by model and mode, and what they refer to."""
    wanted: dict[tuple[Any, str], Any] = {(ProblemBody, "serialization"): ProblemBody}
    for one in found:
        if one.body is not None:
            wanted[one.body, "validation"] = one.body
        wanted[one.refusal, "serialization"] = one.refusal
        wanted[str, "serialization"] = str
        for answer in one.answers.values():
            wanted |= {(model, "serialization"): model for model in answer.content.values()}
    inputs = [((model, mode), mode, TypeAdapter(model)) for (model, mode) in wanted]
    made, shared = TypeAdapter.json_schemas(inputs, ref_template=_REF)  # type: ignore[arg-type]
    return {key: schema for (key, _), schema in made.items()}, dict(shared.get("$defs", {}))


def _security(one: View) -> list[dict[str, list[str]]]:
    if one.access == "open":
        return []
    person: list[dict[str, list[str]]] = [{"token": []}, {"password": []}]
    if one.access == "ingest":
        return [{"key": []}, *person]
    return [*person, {}] if one.access == "read" else person


def _for(one: View) -> str:
    return {
        "open": "anybody",
        "read": "viewers, or anybody where reading is public",
        "ingest": "keys with scope ingest, and admins",
        "viewer": "whoever is logged in",
        "editor": "editors and admins",
        "admin": "admins",
    }[one.access]


def _media(one: View) -> str:
    return JSON if one.refuse else MEDIA_TYPE


def _plain(path: str) -> str:
    """A route's path without its patterns."""
    return re.sub(r"{(\w+):[^}]+}", r"{\1}", path)


def _unless_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not, never null."""
    if "anyOf" not in schema:
        return schema
    options = [option for option in schema["anyOf"] if option.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"}}
    return options[0] | rest if len(options) == 1 else {"anyOf": options, **rest}


def _topic(tag: str) -> str:
    """What a module says of itself, if the tag is one."""
    try:
        text = import_module(f"web.{tag}").__doc__ or ""
    except ModuleNotFoundError:
        return ""
    return text.split("\n\n")[0].replace("\n", " ").strip()
