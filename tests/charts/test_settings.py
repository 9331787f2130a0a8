"""Settings: frozen, read once, and refused in one line."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from charts.errors import BadSettings
from charts.settings import Settings, settings
from charts.verdict import Rules


@pytest.fixture(autouse=True)
def a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("CHARTS_")]:
        monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("JWT_SECRET", "short", "CHARTS_JWT_SECRET: needs 32 bytes or more"),
        ("LAKE_URL", "ftp://x", "CHARTS_LAKE_URL: needs s3://bucket/prefix or file:///path"),
        ("LAKE_URL", "file://relative", "CHARTS_LAKE_URL: needs s3://bucket/prefix or file:///path"),
        ("PARTITIONS", "0", "CHARTS_PARTITIONS: "),
        ("WEB_PORT", "65536", "CHARTS_WEB_PORT: "),
        ("CLOCK", "sundial", "CHARTS_CLOCK: "),
        ("LOG_ID", "Main!", "CHARTS_LOG_ID: "),
        ("FLUSH_INTERVAL", "0", "CHARTS_FLUSH_INTERVAL: "),
        ("LATENESS", "-1", "CHARTS_LATENESS: "),
        ("TOP_N", "many", "CHARTS_TOP_N: "),
        ("WEB_URL", "worker-1:6066", "CHARTS_WEB_URL: needs http://host:port"),
        ("SECRETS_DIR", "/nowhere", "CHARTS_SECRETS_DIR: /nowhere is no folder"),
    ],
)
def test_a_bad_setting_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(f"CHARTS_{name}", value)
    with pytest.raises(BadSettings) as error:
        settings()
    assert str(error.value).startswith(reason)
    assert "\n" not in str(error.value)


def test_a_refused_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_JWT_SECRET", "hunter2")
    with pytest.raises(BadSettings) as error:
        settings()
    assert "hunter2" not in str(error.value)


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_JWT_SECRET", "s" * 32)
    monkeypatch.setenv("CHARTS_POSTGRES_URL", "postgresql://me:hunter2@localhost/charts")
    assert "hunter2" not in repr(settings())
    assert "ssss" not in repr(settings())


def test_secrets_may_lie_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "charts_jwt_secret").write_text("s" * 32 + "\n")
    (tmp_path / "CHARTS_METRICS_TOKEN").write_text("from a file")
    (tmp_path / "admin_password").write_text("none of ours")
    monkeypatch.setenv("CHARTS_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("CHARTS_METRICS_TOKEN", "from the environment")
    jwt, metrics = settings().jwt_secret, settings().metrics_token
    assert jwt is not None and jwt.get_secret_value() == "s" * 32
    assert metrics is not None and metrics.get_secret_value() == "from the environment"


def test_a_worker_is_reached_where_it_listens_or_where_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().own_url == "http://127.0.0.1:6066"
    settings.cache_clear()
    monkeypatch.setenv("CHARTS_WEB_HOST", "0.0.0.0")
    monkeypatch.setenv("CHARTS_WEB_URL", "http://worker-1:6066/")
    assert settings().own_url == "http://worker-1:6066"


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_TOP_N", "10")
    first = settings()
    monkeypatch.setenv("CHARTS_TOP_N", "20")
    assert settings() is first
    assert first.top_n == 10


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().top_n = 5  # type: ignore[misc]


def test_the_thresholds_become_rules_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_PARTITIONS", "3")
    monkeypatch.setenv("CHARTS_LATENESS", "0.0019")
    monkeypatch.setenv("CHARTS_SHORTEST", "31")
    assert settings().rules == Rules(partitions=3, lateness_ms=2, early_ms=300_000, shortest_ms=31_000)


def test_the_defaults_are_the_rules_of_the_design() -> None:
    assert settings().rules == Rules()


def test_names_carry_prefix_and_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTS_PREFIX", "test.")
    monkeypatch.setenv("CHARTS_LOG_ID", "abc123")
    assert settings().topic("song-plays") == "test.song-plays-abc123"
    assert settings().worker_dir.parts[-2:] == ("abc123", "6066")


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
