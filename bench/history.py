"""The history and the catalogue, measured: `python -m bench.history` (a few minutes, a Postgres of its own).

    import      a million tracks from a CSV file
    suggest     by the first letters, search by words and with a typo, over that million
    snapshot    200 regions × 2 windows × 100 entries, open and final
    read        a past chart over HTTP at 200 requests a second, a new one each time and one again

The Postgres has 2 GB of buffers. `--tracks` makes it smaller. Latencies are what the caller sees, at a fixed
rate: a late answer does not delay the next question.
"""

import argparse
import asyncio
import os
import random
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession
from aiohttp.web import Application, AppRunner, TCPSite

from bench.stand import figures
from charts.chart import Chart, Entry
from charts.settings import Settings
from charts.window import DAY_MS, HOUR_MS, Window
from simulator.servers import Postgres, free_ports
from tables.archive import Archive
from tables.boards import Boards
from tables.history import History
from tables.importing import import_tracks
from tables.memory import Memory
from tables.migrations import migrate
from tables.popularity import refresh_popularity
from tables.postgres import Database
from tables.search import Search
from web.services import Services
from web.site import mount

START = 1_700_006_400_000
SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "el", "or")]


def made_words(rng: random.Random, count: int) -> list[str]:
    """Words of two to four syllables; the first are the commonest."""
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4)))] = None
    return list(found)


def zipf(rng: random.Random, count: int) -> int:
    """A number below `count`, small ones far more often."""
    return int(count ** rng.random()) - 1


def write_catalogue(path: Path, tracks: int, seed: int) -> list[tuple[str, str]]:
    """A catalogue as CSV; returns some (title, artist) to ask for."""
    rng = random.Random(seed)  # noqa: S311
    words = made_words(rng, 60_000)
    artists = [
        " ".join(words[zipf(rng, 60_000)] for _ in range(rng.randint(1, 2))).title() + f" {words[n % 60_000]}"
        for n in range(max(10, tracks // 8))
    ]
    asked = []
    with path.open("w") as file:
        file.write("track_id,title,artist,album,genre,duration_ms,isrc,release_date,cover_url\n")
        for n in range(tracks):
            title = " ".join(words[zipf(rng, 60_000)] for _ in range(rng.randint(1, 4))).capitalize()
            place = zipf(rng, len(artists))
            artist = artists[place]
            album = words[(place * 7 + rng.randrange(3)) % 60_000].capitalize()
            length = rng.randint(90_000, 400_000)
            rest = f"pop,{length},USABC{n % 10**7:07},20{n % 24:02}-05-01,https://example.org/{n}.jpg"
            file.write(f"track-{n:07},{title},{artist},{album},{rest}\n")
            if n % max(1, tracks // 2000) == 0:
                asked.append((title, artist))
    return asked


def typo(rng: random.Random, word: str) -> str:
    """One letter left out, doubled, replaced, or swapped with the next."""
    if len(word) < 5:
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    return [
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + "x" + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    ][kind]


def made_chart(region: str, window: Window, entries: int, rng: random.Random, status: Any) -> Chart:
    tracks = rng.sample(range(5000), entries)
    rows = tuple(
        Entry(rank, f"track-{track:07}", 10_000 - rank * 7, f"Title {track}", "Artist")
        for rank, track in enumerate(tracks, start=1)
    )
    return Chart(region, window, status, 1_000_000, 5000, rows, as_of=window.end, rules="bench")


async def at_rate(
    rate: float, count: int, ask: Callable[[int], Awaitable[object]], most: int = 400
) -> list[float]:
    """Seconds each of `count` questions took from when it was due, asked `rate` times a second."""
    gate = asyncio.Semaphore(most)
    clock = asyncio.get_running_loop().time
    start = clock() + 0.05

    async def one(n: int) -> float:
        due = start + n / rate
        await asyncio.sleep(max(0.0, due - clock()))
        async with gate:
            await ask(n)
        return clock() - due

    return list(await asyncio.gather(*(one(n) for n in range(count))))


@asynccontextmanager
async def a_database(folder: Path) -> Any:
    folder.chmod(0o755)  # noqa: ASYNC240
    server = Postgres(folder, *free_ports(1), secrets.token_hex(8), ("shared_buffers=2GB",))
    server.start()
    try:
        server.wait()
        async with Database(server.url()) as database:
            await migrate(database)
            yield database
    finally:
        server.stop()


async def measure_catalogue(database: Database, folder: Path, tracks: int, seed: int) -> dict[str, Any]:
    sheet = folder / "tracks.csv"
    asked = write_catalogue(sheet, tracks, seed)
    start = time.perf_counter()
    outcome = await import_tracks(database, sheet, "csv")
    took = time.perf_counter() - start
    assert outcome.changed == tracks, outcome
    assert not outcome.bad
    rng = random.Random(seed)  # noqa: S311
    day = Window.at("day", START)
    charts = [made_chart(region, day, 100, rng, "final") for region in ("DE", "US", "GB", "global")]
    await History(database).write_final(charts)
    await refresh_popularity(database)
    search = Search(database)
    questions = [rng.choice(asked) for _ in range(2000)]

    async def suggest(n: int) -> None:
        title = questions[n][0]
        await search.suggest(title[: 1 + n % 6], 10)

    async def by_words(n: int) -> None:
        words = " ".join(questions[n]).split()
        rng.shuffle(words)
        await search.search(" ".join(words[:3]), 20)

    found = 0

    async def by_typo(n: int) -> None:
        nonlocal found
        title, artist = questions[n]
        words = [*title.split(), artist.split()[0]]
        longest = max(range(len(words)), key=lambda at: len(words[at]))
        words[longest] = typo(rng, words[longest].lower())
        hits = await search.search(" ".join(words), 20)
        found += any(hit.name == title for hit in hits["track"])

    for n in range(50):
        await by_words(n)
        await suggest(n)
    answers = {
        "tracks": tracks,
        "import_s": round(took, 1),
        "suggest_at_100_per_s": figures(await at_rate(100, 1500, suggest)),
        "search_at_20_per_s": figures(await at_rate(20, 400, by_words)),
        "search_with_typo_at_20_per_s": figures(await at_rate(20, 400, by_typo)),
    }
    answers["typo_found"] = round(found / 400, 3)
    return answers


async def measure_snapshots(database: Database, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)  # noqa: S311
    regions = [chr(65 + n // 26) + chr(65 + n % 26) for n in range(199)] + ["global"]
    history = History(database)
    took: dict[str, list[float]] = {"open": [], "final": []}
    for step in range(5):
        windows = (
            Window("hour", START + DAY_MS * 2 + step * HOUR_MS),
            Window("day", Window.at("day", START).start + (2 + step) * DAY_MS),
        )
        for status in ("open", "final"):
            charts = [
                made_chart(region, window, 100, rng, status) for window in windows for region in regions
            ]
            start = time.perf_counter()
            write = history.write_open if status == "open" else history.write_final
            await write(charts)
            took[status].append(round(time.perf_counter() - start, 2))
    return {f"{status}_s": sorted(seconds) for status, seconds in took.items()}


async def measure_reads(database: Database, seed: int) -> dict[str, Any]:
    """Past charts over HTTP, from the real site on a port of its own, at 200 requests a second."""
    rng = random.Random(seed)  # noqa: S311
    rows = await database.fetch("SELECT region, starts_at FROM chart_snapshots WHERE window_kind = 'hour'")
    settings = Settings(public_read=True, rate_read=0)
    boards = Boards(settings)
    boards.ready = True
    memory = Memory(database, boards)
    services = Services(settings=settings, boards=boards, database=database, archive=Archive(database))
    warm = Services(settings=settings, boards=boards, database=database, archive=memory.archive)
    figures_of: dict[str, Any] = {}
    for name, given in (("read_from_postgres", services), ("read_kept", warm)):
        async with _serving(given) as address, ClientSession(address) as session:
            failed: list[bool] = []

            async def read(_n: int, session: ClientSession = session, failed: list[bool] = failed) -> None:
                row = rng.choice(rows)
                at = row["starts_at"].isoformat().replace("+00:00", "Z")
                async with session.get(f"/v1/charts/{row['region']}/hour", params={"at": at}) as response:
                    await response.read()
                    failed.append(response.status != 200)

            await at_rate(200, 1500, read)
            figures_of[f"{name}_at_200_per_s"] = figures(await at_rate(200, 4000, read))
            figures_of[f"{name}_failed"] = sum(failed)
    return figures_of


@asynccontextmanager
async def _serving(services: Services) -> Any:
    application = Application()
    mount(application, services)
    runner = AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with a_database(folder) as database:
            answers = {
                "seed": options.seed,
                "load_average": os.getloadavg()[0],
                "snapshot_of_200_regions": await measure_snapshots(database, options.seed),
                "read": await measure_reads(database, options.seed),
                "catalogue": await measure_catalogue(database, folder, options.tracks, options.seed),
            }
    print(orjson.dumps(answers, option=orjson.OPT_INDENT_2).decode())  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
