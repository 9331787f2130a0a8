"""The composition root: the settings, the Faust apps, their topics.

    faust -A faust_app worker            counts, and answers over HTTP
    faust -A faust_app:lake worker       writes the lake, in a consumer group of its own

Agents and views are found by autodiscovery and by name: this file imports none of them.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from sys import setswitchinterval
from typing import Any

from agents.fetches import unpack_below_records
from agents.transport import App
from charts.settings import Settings, settings
from logs import config, ending_in_one_line
from tables.boards import Boards
from tables.frames import receive_whole
from tables.heap import confine, leave_out_pandas
from tables.lookup import Lookups
from tables.memory import Memory
from tables.meters import METERS, CountCollector
from tables.pace import pace
from tables.postgres import Database
from tables.preflight import preflight, preflight_lake
from tables.tally import Tally
from tables.topics import COMPACTED, create_topics

with ending_in_one_line():
    conf = settings()

# Decoding and flushing leave the interpreter all the time, and must have it back to go on: with Python's own
# five milliseconds they wait for one another longer than they work, and so does who answers over HTTP.
setswitchinterval(0.0005)
confine()
leave_out_pandas()
pace()
receive_whole()

#: Joining a group on the embedded broker takes half the session timeout.
SESSION_TIMEOUT_S = min(6.0, conf.session_timeout) if conf.broker == "tansu" else conf.session_timeout

#: What a broker that froze does not acknowledge is sent again, to whoever leads the partition by then.
PRODUCE_S = 30.0
#: New partitions are noticed, and shared out, within this time.
METADATA_MS = 30_000

if conf.broker == "tansu":
    import_module("tables.tansu").repair()


def _new_app(name: str) -> App:
    """Both apps are alike but for the name, and with it the consumer group."""
    return App(
        conf.topic(name),
        broker=[f"kafka://{server}" for server in conf.kafka_url.split(",")],
        store="rocksdb://",
        datadir=str(conf.worker_dir),
        autodiscover=["agents"],
        origin="faust_app",
        Worker="agents.transport:Worker",
        TableManager="agents.recovery:TableManager",
        topic_partitions=conf.partitions,
        topic_replication_factor=conf.replication,
        topic_disable_leader=True,
        consumer_group_instance_id=conf.instance or None,
        table_standby_replicas=conf.standbys,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=SESSION_TIMEOUT_S / 3,
        broker_request_timeout=60.0,
        broker_max_poll_records=10_000,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=2 << 20,
        consumer_metadata_max_age_ms=METADATA_MS,
        producer_max_request_size=4 << 20,
        producer_acks=-1,
        producer_request_timeout=PRODUCE_S,
        producer_metadata_max_age_ms=METADATA_MS,
        # Runs: of four partitions a fetch.
        stream_buffer_maxsize=4,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        # It trusts ListOffsets, which the embedded broker answers wrongly; the tally checks for itself.
        recovery_consistency_check=False,
        web_host=conf.web_host,
        web_bind=conf.web_host,
        web_port=conf.web_port,
        # A member's identity to Faust's assignor: it refuses what a name was assigned under another.
        canonical_url=f"http://{conf.instance}" if conf.instance else conf.own_url,
        web_stats_enabled=False,
        web_graph_enabled=False,
        web_router_enabled=False,
        web_tables_enabled=False,
        logging_config=config(conf),
    )


def _plays_of(reader: App, check: Callable[[Settings], Awaitable[None]]) -> Any:
    """The plays, as runs."""
    topic = reader.topic(
        conf.topic("song-plays"),
        key_type=bytes,
        key_serializer="raw",
        value_type=None,
        value_serializer="raw",
    )
    reader.run_topics.add(topic.get_topic_name())
    reader.before_start += [partial(check, conf), partial(create_topics, conf)]
    return topic


app, lake = _new_app("livecharts"), _new_app("livecharts-lake")
plays, lake_plays = _plays_of(app, preflight), _plays_of(lake, preflight_lake)
boards = Boards(conf)
tally = Tally(
    app,
    settings=conf,
    boards=boards,
    partitions=conf.partitions,
    extra_topic_configs=COMPACTED,
)
app.first.append(boards)
app.tables.add(tally)
app.position = tally
app.changelog_topics.add(tally.changelog_topic_name)
unpack_below_records()

#: History, catalogue and accounts; without Postgres there are only live charts.
database = Database(conf.postgres_url.get_secret_value()) if conf.postgres_url.get_secret_value() else None
memory = Memory(database, boards) if database else None
METERS.register(CountCollector(tally, boards, memory))


def _mount_site() -> None:
    """Put the site on Faust's web server, which exists before it starts."""
    site, services, outbox = (import_module(f"web.{name}") for name in ("site", "services", "outbox"))
    plays_out = outbox.Outbox(conf)
    offered = {"settings": conf, "boards": boards, "outbox": plays_out, "opens": (plays_out,)}
    if database and memory:
        offered |= {
            "database": database,
            "archive": memory.archive,
            "dress": memory.dress,
            "opens": (database, memory, plays_out),
        }
    more = {"memory": memory, "tally": tally}
    if conf.lake_url:
        more["lookups"] = Lookups(conf)
    site.mount(app.web.web_app, services.Services(**offered, more=more))


def _mount_lakeside() -> None:
    """The lake worker says on its own port how it is."""
    import_module("web.lakeside").mount(lake.web.web_app, lambda: import_module("agents.lake").state())


_mount_site()
_mount_lakeside()
