"""Prometheus and Grafana: every metric named exists, every alert is tested and is in the runbook."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import DEPLOY, ROOT, checked, documents, tool
from web.lakeside import _FIGURES

PROMETHEUS = DEPLOY / "prometheus"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
METRIC = r"\b((?:livecharts|lake)_[a-z0-9_]+)"


@pytest.fixture(scope="module")
def alerts() -> dict[str, Any]:
    [rules] = documents(PROMETHEUS / "alerts.yml")
    return {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"]}


@pytest.fixture(scope="module")
def metrics() -> set[str]:
    """Every metric there is: a test of the workers holds docs/metrics.md to what they say."""
    documented = re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    return {*documented, *_FIGURES}


def _dashboard(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_every_metric_that_is_named_exists(metrics: set[str]) -> None:
    files = [*DASHBOARDS, *PROMETHEUS.glob("*.yml"), *(DEPLOY / "k8s").rglob("*.yaml")]
    for path in files:
        named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(METRIC, path.read_text())}
        assert named <= metrics, path.name


def test_promtool_takes_the_rules_and_their_tests_hold() -> None:
    promtool = tool("promtool")
    checked(promtool, "check", "rules", "alerts.yml", folder=PROMETHEUS)
    checked(promtool, "test", "rules", "alerts.test.yml", folder=PROMETHEUS)


def test_promtool_takes_the_configurations() -> None:
    promtool = tool("promtool")
    checked(promtool, "check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")


def test_promtool_takes_the_one_of_kubernetes(tmp_path: Path) -> None:
    """Debian builds promtool without Kubernetes: to it, the pods are told otherwise."""
    config = documents(PROMETHEUS / "kubernetes.yml")[0]
    assert all(job.pop("kubernetes_sd_configs")[0]["role"] == "pod" for job in config["scrape_configs"])
    path = tmp_path / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    checked(tool("promtool"), "check", "config", "--syntax-only", path)


def test_every_alert_is_tested(alerts: dict[str, Any]) -> None:
    """… that it comes, and that it does not come too soon."""
    [tests] = documents(PROMETHEUS / "alerts.test.yml")
    asked = [one for scene in tests["tests"] for one in scene.get("alert_rule_test", ())]
    assert {one["alertname"] for one in asked if one["exp_alerts"]} == set(alerts)
    assert {one["alertname"] for one in asked if not one["exp_alerts"]} == set(alerts)


def test_every_alert_has_its_entry_in_the_runbook(alerts: dict[str, Any]) -> None:
    entries = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
    told = {entry.split("\n")[0]: entry for entry in entries}
    assert list(told) == list(alerts), "the same, in the same order"
    for name, entry in told.items():
        assert entry.split("\n")[2].startswith(f"{alerts[name]['labels']['severity']}. "), name
        assert "- Look" in entry and ("- Do" in entry or "- Look and do" in entry), name


def test_the_runbook_names_panels_that_are_there() -> None:
    titles = {panel["title"] for path in DASHBOARDS for panel in _dashboard(path)["panels"]}
    named = re.findall(r"\*([A-Z][^*]+)\*", RUNBOOK)
    assert named and all(any(title.startswith(name) for title in titles) for name in named), named


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    dashboard = _dashboard(path)
    assert dashboard["uid"] == path.stem
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] != "row":
            assert panel["targets"] and panel["datasource"]["uid"] == "${datasource}", panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        assert not _overlap(one, other)


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_promtool_takes_every_expression_of_the_dashboards(tmp_path: Path) -> None:
    expressions = [
        expr.replace("$__rate_interval", "1m")
        for path in DASHBOARDS
        for expr in _expressions(_dashboard(path))
    ]
    assert expressions
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions)]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked(tool("promtool"), "check", "rules", path)


def test_grafana_finds_its_dashboards_and_prometheus() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    [dashboards] = documents(provisioning / "dashboards" / "livecharts.yml")
    compose = (ROOT / "docker-compose.yml").read_text()
    place = dashboards["providers"][0]["options"]["path"]
    assert f"./deploy/grafana/dashboards:{place}:ro" in compose
    assert f"{place}/livecharts.json" in compose, "the one that opens first"
    assert DEPLOY / "grafana/dashboards/livecharts.json" in DASHBOARDS
    [sources] = documents(provisioning / "datasources" / "prometheus.yml")
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"
