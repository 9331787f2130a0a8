"""Metrics are for this machine, or for whoever bears the token."""

from aiohttp import ClientSession
from pydantic import SecretStr

from charts.settings import Settings
from tests.web.conftest import serving
from tests.web.fed_boards import FedBoards
from web.services import Services


async def test_others_need_the_token(boards: FedBoards) -> None:
    settings = Settings(metrics_token=SecretStr("open sesame"))
    async with serving(Services(settings=settings, boards=boards)) as address, ClientSession() as session:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer ö\udcff"}):
            async with session.get(f"{address}/metrics", headers=headers) as response:
                assert response.status == 403
        async with session.get(
            f"{address}/metrics", headers={"Authorization": "Bearer open sesame"}
        ) as response:
            assert response.status == 200
