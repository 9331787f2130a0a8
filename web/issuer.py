"""Issuer: access tokens of somebody else's log-in service, verified by the keys it publishes (JWKS)."""

import asyncio
import time
from typing import Any

import jwt
from aiohttp import ClientError, ClientSession, ClientTimeout

from charts.errors import BadSettings, Unreachable
from charts.settings import Settings

#: Keys are read again after this long, and at once for an unknown `kid`, but not more often than …
KEYS_S = 600.0
#: … this, so that junk cannot make us call the issuer.
RETRY_S = 10.0
#: The issuer is near; a caller waits for it only once in ten minutes.
FETCH_TIMEOUT = ClientTimeout(total=5)
ALGORITHMS = ("EdDSA", "ES256", "RS256", "PS256")


class Issuer:
    """Believes tokens of one outside issuer; the claim `role` says what their bearer may."""

    def __init__(self, url: str, issuer: str, audience: str) -> None:
        self._url = url
        self.issuer = issuer
        self._audience = audience
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = -KEYS_S
        #: What went wrong when the keys were last asked for; nothing, where they came.
        self._failure = ""
        self._reading = asyncio.Lock()

    @classmethod
    def of(cls, settings: Settings) -> "Issuer | None":
        if settings.jwks_url is None:
            return None
        if not settings.jwks_issuer or not settings.jwks_audience:
            raise BadSettings("CHARTS_JWKS_URL: needs CHARTS_JWKS_ISSUER and CHARTS_JWKS_AUDIENCE")
        return cls(settings.jwks_url, settings.jwks_issuer, settings.jwks_audience)

    async def read(self, token: str) -> dict[str, Any]:
        """The claims of one of its tokens; raises jwt.InvalidTokenError, or Unreachable."""
        kid = str(jwt.get_unverified_header(token).get("kid"))
        await self._refresh(kid)
        key = self._keys.get(kid)
        if key is None or key.algorithm_name not in ALGORITHMS:
            raise jwt.InvalidKeyError("signed with a key the issuer does not publish")
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm_name],
            audience=self._audience,
            issuer=self.issuer,
            options={"require": ["exp", "sub", "aud", "iss"]},
        )

    async def _refresh(self, kid: str) -> None:
        if kid in self._keys and self._age_s() < KEYS_S:
            return  # what it published last holds, also while it is asked again
        async with self._reading:
            if self._age_s() >= (KEYS_S if kid in self._keys else RETRY_S):
                await self._fetch()
        if kid not in self._keys and self._failure:
            raise Unreachable(f"the issuer of this token does not answer: {self._failure}")

    def _age_s(self) -> float:
        return time.monotonic() - self._read_at

    async def _fetch(self) -> None:
        """The keys of now; where they do not come, those of before stay."""
        self._read_at, self._failure = time.monotonic(), "not heard to the end"
        try:
            async with ClientSession(timeout=FETCH_TIMEOUT) as session, session.get(self._url) as response:
                response.raise_for_status()
                published = jwt.PyJWKSet.from_dict(await response.json(content_type=None))
        except (ClientError, TimeoutError, ValueError, jwt.PyJWTError) as error:
            self._failure = str(error) or type(error).__name__
            return
        self._keys = {str(key.key_id): key for key in published.keys}
        self._failure = ""
