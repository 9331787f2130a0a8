"""docker-compose.yml: valid, pinned, closed to others, and every word of it exists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from charts.settings import settings
from simulator.apache import VERSION
from tests.deploy.conftest import DEPLOY, ROOT, checked, tool
from tests.deploy.words import must_be_settings, must_run

Compose = dict[str, Any]


def _ours(compose: Compose) -> dict[str, Any]:
    return {name: it for name, it in compose["services"].items() if it["image"] == "livecharts"}


def test_the_specification_takes_it() -> None:
    """compose-go: the schema, the merging and the consistency checks of `docker compose` itself."""
    said = checked(tool("compose-spec"), "-format", "json", "docker-compose.yml", CHARTS_NOTHING="")
    assert {"proxy", "worker-1", "worker-2", "lake", "kafka"} <= set(json.loads(said)["services"])


def test_every_image_of_others_is_pinned(compose: Compose) -> None:
    images = {it["image"] for it in compose["services"].values()} - {"livecharts"}
    assert images and all(re.search(r":(v?\d+\.\d+|RELEASE\.\d{4})", image) for image in images), images
    assert f"apache/kafka:{VERSION}" in images, "the Kafka the tests run on"


def test_every_command_of_ours_runs_here(compose: Compose) -> None:
    commands = [it["command"] for it in _ours(compose).values() if it.get("command")]
    assert len(commands) >= 4
    for command in commands:
        must_run(command)


@pytest.mark.parametrize("name", ["worker-1", "worker-2", "lake", "migrate", "admin", "simulator"])
def test_its_settings_are_taken(
    compose: Compose, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the secrets that `secrets.sh` makes, as the container has them."""
    checked("sh", DEPLOY / "compose" / "secrets.sh", tmp_path)
    given = _ours(compose)[name]["environment"]
    must_be_settings(given)
    for variable, value in {**given, "CHARTS_SECRETS_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(variable, value)
    settings.cache_clear()
    taken = settings()
    settings.cache_clear()
    assert taken.jwt_secret is not None and taken.metrics_token is not None
    assert re.fullmatch(
        r"postgresql://charts:\w{48}@postgres:5432/charts", taken.postgres_url.get_secret_value()
    )
    if name.startswith("worker"):
        assert taken.own_url == f"http://{name}:6066"


def test_secrets_are_made_once_and_no_two_are_alike(tmp_path: Path) -> None:
    script = DEPLOY / "compose" / "secrets.sh"
    checked("sh", script, tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    checked("sh", script, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == made
    assert len(set(made.values())) == len(made) == 8


def test_every_secret_that_is_read_is_made(compose: Compose, tmp_path: Path) -> None:
    checked("sh", DEPLOY / "compose" / "secrets.sh", tmp_path)
    text = (ROOT / "docker-compose.yml").read_text() + (DEPLOY / "prometheus/prometheus.yml").read_text()
    read = set(re.findall(r"/run/livecharts/(\w+)", text))
    assert read and read <= {path.name for path in tmp_path.iterdir()}


def test_only_this_machine_reaches_it(compose: Compose) -> None:
    published = [port for it in compose["services"].values() for port in it.get("ports", ())]
    assert len(published) == 3
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_file_it_mounts_is_here(compose: Compose) -> None:
    mounts = [mount.split(":")[0] for it in compose["services"].values() for mount in it.get("volumes", ())]
    files = [mount for mount in mounts if mount.startswith("./")]
    assert files and all((ROOT / file).exists() for file in files)
    assert {mount for mount in mounts if not mount.startswith("./")} == set(compose["volumes"])


def test_ours_run_without_rights_on_a_root_they_cannot_write(compose: Compose) -> None:
    for it in _ours(compose).values():
        assert (it["read_only"], it["cap_drop"], it["security_opt"]) == (
            True,
            ["ALL"],
            ["no-new-privileges:true"],
        )


def test_kafka_makes_no_topic_by_itself(compose: Compose) -> None:
    """One that somebody else's client asked for first would carry its senders' time."""
    assert compose["services"]["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_prometheus_asks_every_worker(compose: Compose) -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    workers = {name for name, it in _ours(compose).items() if name == "lake" or name.startswith("worker")}
    assert set(re.findall(r'"([\w-]+):6066"', text)) == workers
    assert {word.split(":")[0] for word in re.findall(r"worker-\d:6066", _caddyfile())} == workers - {"lake"}


def _caddyfile() -> str:
    return (DEPLOY / "compose" / "Caddyfile").read_text()
