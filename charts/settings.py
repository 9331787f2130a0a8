"""Settings: read from the environment once, at start, in one place.

Every name below, in capitals and after `CHARTS_`, is an environment variable; README.md lists them.
The object store's credentials and region are read by botocore itself (`AWS_*`). What must not lie in an
environment may lie in a folder of files instead (`CHARTS_SECRETS_DIR`), as containers are handed secrets.
"""

import os
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from charts.errors import BadSettings
from charts.verdict import Rules


class Settings(BaseSettings):
    """What an operator may set; durations in seconds."""

    model_config = SettingsConfigDict(env_prefix="CHARTS_", frozen=True, extra="ignore")

    secrets_dir: Path | None = Field(
        None, description="a folder of files named like these variables: what the environment leaves out"
    )

    # Where the servers are.
    kafka_url: str = Field("127.0.0.1:9092", description="bootstrap servers, separated by commas")
    broker: Literal["kafka", "tansu"] = Field(
        "kafka", description="`tansu` turns on the repairs the embedded broker needs; only the stack sets it"
    )
    session_timeout: float = Field(
        45, ge=1, le=60, description="seconds after which a worker that says nothing has lost its partitions"
    )
    instance: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="a name this worker keeps: back within the session timeout, it has its partitions still",
    )
    standbys: int = Field(1, ge=0, description="other workers that keep a copy of a partition's tally")
    postgres_url: SecretStr = Field(
        SecretStr("postgresql://charts@127.0.0.1:5432/charts"),
        description="history, catalogue and accounts; empty: live charts alone",
    )
    lake_url: str = Field("", description="`s3://bucket/prefix` or `file:///path`; empty: there is no lake")
    data_dir: Path = Field(
        Path("data"), description="local state; each worker takes a subfolder by its web port"
    )

    # The log and its topics.
    prefix: str = Field("", pattern=r"^[a-z0-9._-]*$", description="put before every topic and app id")
    log_id: str = Field(
        "main",
        pattern=r"^[a-z0-9]{1,32}$",
        description="names one incarnation of the Kafka log; new log, new id",
    )
    partitions: int = Field(8, ge=1, le=1024, description="partitions of `song-plays` from the coming day on")
    replication: int = Field(1, ge=1, description="replication factor of the topics we create")
    clock: Literal["wall", "log"] = Field(
        "wall", description="`log`: time moves by records and ticks alone (simulation)"
    )

    # What counts.
    lateness: float = Field(7200, ge=0, description="how long after its hour a play still counts")
    early: float = Field(300, ge=0, description="how far ahead of the stream a play may start")
    shortest: float = Field(30, ge=0, description="plays shorter than this do not count")
    top_n: int = Field(100, ge=1, le=1000, description="entries a board keeps")
    duplicates: bool = Field(True, description="check play ids; off only to measure its cost")

    # The pace.
    flush_interval: float = Field(1.0, gt=0, description="counts are made durable and published this often")
    flush_rows: int = Field(1_000_000, ge=1, description="… or after this many records")

    # The lake.
    lake_flush: float = Field(30, gt=0, description="the growing files of the lake are written this often")
    s3_addressing: Literal["auto", "path", "virtual"] = Field(
        "auto", description="where S3 wants the bucket: in the path or in the host name"
    )

    # The history.
    snapshot_interval: float = Field(30, gt=0, description="open charts that changed are stored this often")
    quality_interval: float = Field(900, gt=0, description="the leader looks this often whether all adds up")
    history_days: int = Field(730, ge=0, description="days a chart is kept; 0 keeps all, whole months go")
    boards_kept: float = Field(21600, ge=0, description="without Postgres: how long final boards stay")

    # For crash tests alone.
    crash_points: str = Field("", description="testing only: `changelog:0.1,stored:0.05` dies there")
    fences: bool = Field(True, description="testing only: off, and a crash counts plays twice")

    # The web.
    web_host: str = Field("127.0.0.1", description="address the worker listens on")
    web_port: int = Field(6066, ge=1, le=65535, description="port the worker listens on")
    web_url: str = Field(
        "", description="where the other workers reach this one; empty: host and port of above"
    )
    public_read: bool = Field(False, description="charts can be read without a token")
    jwt_secret: SecretStr | None = Field(None, description="signs access tokens; 32 bytes or more")
    jwt_private_key: SecretStr | None = Field(
        None, description="an Ed25519 key in PEM: access tokens are signed with it instead of the secret"
    )
    jwt_previous: SecretStr = Field(
        SecretStr(""),
        description="secrets or Ed25519 public keys (PEM) of before, still accepted; separated by commas",
    )
    jwt_lifetime: float = Field(900, ge=30, le=3600, description="how long an access token works")
    refresh_lifetime: float = Field(2_592_000, ge=60, description="how long a log-in lasts unused")
    jwks_url: str | None = Field(None, description="where an outside issuer publishes its keys (JWKS)")
    jwks_issuer: str | None = Field(None, description="that issuer's `iss`")
    jwks_audience: str | None = Field(None, description="the `aud` its tokens carry for us")
    registration: bool = Field(True, description="people may make themselves viewer accounts")
    cors_origins: str = Field(
        "", description="origins whose pages may call the API, separated by commas; `*` for all"
    )
    trusted_proxies: str = Field(
        "", description="networks whose X-Forwarded-For is believed, separated by commas"
    )
    rate_read: float = Field(200, ge=0, description="reads per second and caller; 0 for no limit")
    rate_write: float = Field(20, ge=0, description="changes per second and caller")
    rate_ingest: float = Field(500, ge=0, description="posts of plays per second and key")
    rate_login: float = Field(0.5, ge=0, description="log-ins per second and address")
    rate_live: float = Field(2, ge=0, description="new live streams per second and caller")
    live_clients: int = Field(2000, ge=1, description="live streams a worker keeps open at most")

    metrics_token: SecretStr | None = Field(
        None, description="who bears it may read `/metrics`; without one, this machine may"
    )

    # Logs.
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`auto`: text on a terminal, JSON elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < 32:
            raise ValueError("needs 32 bytes or more")
        return secret

    @field_validator("lake_url")
    @classmethod
    def _known_scheme(cls, url: str) -> str:
        if url and not url.startswith(("s3://", "file:///")):
            raise ValueError("needs s3://bucket/prefix or file:///path")
        return url

    @field_validator("web_url")
    @classmethod
    def _reachable(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("needs http://host:port")
        return url.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _known_networks(cls, networks: str) -> str:
        for network in filter(None, networks.split(",")):
            ip_network(network.strip())
        return networks

    @property
    def rules(self) -> Rules:
        """The thresholds, as the rules of a day hold them."""
        return Rules(
            partitions=self.partitions,
            lateness_ms=round(self.lateness * 1000),
            early_ms=round(self.early * 1000),
            shortest_ms=round(self.shortest * 1000),
        )

    def topic(self, name: str) -> str:
        """A topic of this log: `song-plays` is `[prefix]song-plays-[log id]`."""
        return f"{self.prefix}{name}-{self.log_id}"

    @property
    def own_url(self) -> str:
        """How the other workers call this one."""
        return self.web_url or f"http://{self.web_host}:{self.web_port}"

    @property
    def worker_dir(self) -> Path:
        """This worker's own state, of this log alone."""
        return self.data_dir / self.log_id / str(self.web_port)


def described() -> list[tuple[str, str, str]]:
    """Every setting: its environment variable, its default as written there, and what it means."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = "" if default is None else f"{default:g}" if isinstance(default, float) else str(default)
        rows.append((f"CHARTS_{name.upper()}", shown, field.description or ""))
    return rows


@cache
def settings() -> Settings:
    """The settings of this process; raises BadSettings in one line."""
    folder = os.environ.get("CHARTS_SECRETS_DIR")
    if folder and not Path(folder).is_dir():
        raise BadSettings(f"CHARTS_SECRETS_DIR: {folder} is no folder")
    try:
        return Settings(_secrets_dir=folder or None)
    except ValidationError as error:
        raise BadSettings(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = "_".join(["CHARTS", *(str(part).upper() for part in first["loc"])])
    return f"{name}: {first['msg'].removeprefix('Value error, ')}"
