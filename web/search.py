"""Search and suggest: tracks, artists and albums by what people type."""

from typing import Annotated, Any, Literal

from aiohttp.web import Request, Response
from pydantic import BaseModel, Field

from tables.search import Hit, Search
from web.services import services_of
from web.tagged import ETAG, tagged
from web.view import JSON, Answer, Asked, view

Question = Annotated[
    str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="what is looked for")
]


class SearchAsked(Asked):
    """What is looked for."""

    q: Question
    limit: int = Field(20, ge=1, le=50, description="hits of each kind at most")


class SuggestAsked(Asked):
    """What was typed so far."""

    q: Question
    limit: int = Field(8, ge=1, le=50)


class HitShape(BaseModel):
    """Something found: a track or album has a title, an artist a name."""

    kind: Literal["track", "artist", "album"]
    id: str
    title: str | None = None
    name: str | None = None
    artist_id: str | None = None
    artist: str | None = None
    plays: int = Field(description="on the day charts of today and yesterday")


class FoundShape(BaseModel):
    """What was found, best first."""

    q: str
    tracks: list[HitShape]
    artists: list[HitShape]
    albums: list[HitShape]


class SuggestedShape(BaseModel):
    """What it may become, the popular first."""

    q: str
    suggestions: list[HitShape]


@view(
    "GET",
    "/v1/search",
    access="read",
    asked=SearchAsked,
    answers={200: Answer("What was found.", {JSON: FoundShape}, ETAG)},
    refuses=(503,),
)
async def search(request: Request, asked: SearchAsked) -> Response:
    """Tracks, artists and albums: in any order of words, without case and accents, despite a typo."""
    found = await Search(services_of(request).need("database")).search(asked.q, asked.limit)
    lists = {f"{kind}s": [_shown(hit) for hit in hits] for kind, hits in found.items()}
    return tagged(request, {"q": asked.q, **lists})


@view(
    "GET",
    "/v1/suggest",
    access="read",
    asked=SuggestAsked,
    answers={200: Answer("Suggestions.", {JSON: SuggestedShape}, ETAG)},
    refuses=(503,),
)
async def suggest(request: Request, asked: SuggestAsked) -> Response:
    """What the first letters may become."""
    hits = await Search(services_of(request).need("database")).suggest(asked.q, asked.limit)
    return tagged(request, {"q": asked.q, "suggestions": [_shown(hit) for hit in hits]})


def _shown(hit: Hit) -> dict[str, Any]:
    name = "name" if hit.kind == "artist" else "title"
    head = {"kind": hit.kind, "id": hit.id, name: hit.name}
    by = {} if hit.kind == "artist" else {"artist_id": hit.artist_id, "artist": hit.artist}
    return {**head, **by, "plays": hit.popularity}
