"""Tokens: short-lived signed words on who somebody is.

Each key names itself (`kid`), so a new one can sign while tokens of the last are still out. A key fixes
its algorithm: what a token's header claims about that is never believed.
"""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from charts.errors import BadSettings
from charts.settings import Settings

ISSUER = "livecharts"
#: An access token opens the API; a ticket, for its half minute, one live stream (its URL may be logged).
Audience = Literal["livecharts", "livecharts-live"]
TICKET_S = 30
_REQUIRED = ["exp", "iat", "sub", "aud", "iss"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key: what signs with it (nothing, for one of before) and what verifies."""

    kid: str
    algorithm: Literal["HS256", "EdDSA"]
    signs: Any
    verifies: Any


@dataclass(frozen=True)
class Keyring:
    """The key that signs, and all that are believed."""

    current: SigningKey
    by_kid: Mapping[str, SigningKey]

    @classmethod
    def of(cls, settings: Settings) -> "Keyring | None":
        """The keys of the settings; none where they name none."""
        if settings.jwt_private_key is not None:
            current = _private(settings.jwt_private_key.get_secret_value())
        elif settings.jwt_secret is not None:
            current = _secret(settings.jwt_secret.get_secret_value())
        else:
            return None
        previous = [part.strip() for part in settings.jwt_previous.get_secret_value().split(",")]
        keys = [current, *(_previous(part) for part in previous if part)]
        return cls(current, {key.kid: key for key in keys})

    def issue(self, claims: dict[str, Any], lifetime_s: float, audience: Audience = "livecharts") -> str:
        """A signed token with these claims."""
        now = int(time.time())
        standard = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + int(lifetime_s)}
        key = self.current
        payload = {**claims, **standard, "jti": token_hex(8)}
        return jwt.encode(payload, key.signs, algorithm=key.algorithm, headers={"kid": key.kid})

    def read(self, token: str, audience: Audience = "livecharts") -> dict[str, Any]:
        """The claims of a token of ours; raises jwt.InvalidTokenError."""
        key = self.by_kid.get(str(jwt.get_unverified_header(token).get("kid")))
        if key is None:
            raise jwt.InvalidKeyError("signed with a key we do not know")
        return jwt.decode(
            token,
            key.verifies,
            algorithms=[key.algorithm],
            audience=audience,
            issuer=ISSUER,
            options={"require": _REQUIRED},
        )


def _secret(secret: str) -> SigningKey:
    if len(secret.encode()) < 32:
        raise BadSettings("CHARTS_JWT_PREVIOUS: a secret needs 32 bytes or more")
    kid = hmac.digest(secret.encode(), b"kid", "sha256").hex()[:12]
    return SigningKey(kid, "HS256", secret, secret)


def _private(pem: str) -> SigningKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise BadSettings("CHARTS_JWT_PRIVATE_KEY: not a private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadSettings("CHARTS_JWT_PRIVATE_KEY: not an Ed25519 key")
    public = key.public_key()
    return SigningKey(_kid(public), "EdDSA", key, public)


def _previous(text: str) -> SigningKey:
    if "-----BEGIN" not in text:
        return _secret(text)
    try:
        key = load_pem_public_key(text.encode())
    except ValueError:
        raise BadSettings("CHARTS_JWT_PREVIOUS: not a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise BadSettings("CHARTS_JWT_PREVIOUS: not an Ed25519 key")
    return SigningKey(_kid(key), "EdDSA", None, key)


def _kid(key: Ed25519PublicKey) -> str:
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:12]
