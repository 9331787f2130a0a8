"""GET /v1/lake/jobs: what curation did, newest first."""

from aiohttp import ClientSession

from agents.curate import Curator
from charts.settings import Settings
from charts.window import parse_time
from tables.postgres import Database
from tables.store import Store
from tests.lake.scene import LOG, Scene, a_day
from tests.web.conftest import SECRET, serving
from web.services import Services


async def test_jobs_are_told(folder: Store, database: Database) -> None:
    scene = Scene()
    counted = a_day(scene, 31, hours=1)
    await scene.keep(folder)
    await Curator(folder, database, scene.heads(), log_id=LOG, top_n=10).curate_due()
    settings = Settings(public_read=True, jwt_secret=SECRET, rate_read=0)
    async with serving(Services(settings=settings, boards=None, database=database)) as address:
        async with ClientSession(address) as client, client.get("/v1/lake/jobs?kind=curate") as answer:
            assert answer.status == 200
            jobs = (await answer.json())["jobs"]
        async with ClientSession(address) as client, client.get("/v1/lake/jobs?kind=spin") as answer:
            assert answer.status == 400
    assert sum(job["rows_out"] for job in jobs) == len(counted)
    assert {job["status"] for job in jobs} == {"done"}
    assert jobs == sorted(jobs, key=lambda job: parse_time(job["started_at"]), reverse=True)
    assert jobs[0]["seconds"] >= 0
