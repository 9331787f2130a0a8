"""Address: where a request comes from, as far as that can be known.

X-Forwarded-For is whatever a caller wrote, with each proxy's own word at the end: so it is read from the
right, and only as long as the word comes from a proxy we trust.
"""

from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohttp.web import Request

from web.services import services_of


def address_of(request: Request) -> str:
    """The caller's address: the nearest that is no proxy of ours."""
    nearest = request.remote or "unknown"
    trusted = services_of(request).settings.trusted_proxies
    if not trusted:
        return nearest
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    for hop in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if not _is_trusted(nearest, trusted) or not _is_address(hop):
            break
        nearest = hop
    return nearest


def _is_trusted(address: str, trusted: str) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in _networks(trusted))


@cache
def _networks(trusted: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in trusted.split(",") if part.strip())


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
