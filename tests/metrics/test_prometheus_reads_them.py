"""The real Prometheus scrapes the mirror, and knows what the dashboard and the alerts ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cache.meters import FAMILIES
from tests.e2e.parts import require
from tests.e2e.processes import Daemon, environment, eventually, free_port, run, scratch
from tests.e2e.workers import client_of_each_worker
from tests.fakes.faults import Fault
from tests.fakes.plain import NO_AUTHORITY
from tests.metrics.scraping import Measured, measured

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parents[2]
ALERTS = PROJECT / "deploy/prometheus/alerts.yml"
ALERTS_TEST = Path(__file__).with_name("alerts_test.yml")
CONFIG = PROJECT / "deploy/prometheus/prometheus.yml"
DASHBOARD = PROJECT / "deploy/grafana/mirrorsite.json"

NAME = "library/thing"
_METRIC = re.compile(r"\bmirrorsite_\w+")
#: What Grafana puts in place of its variables.
_VARIABLES = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}


class Prometheus(Daemon):
    """Prometheus as the project's own example configures it, but for the mirror's address."""

    def __init__(self, home: Path, target: str) -> None:
        require("prometheus")
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}/api/v1"
        settings = CONFIG.read_text().replace("127.0.0.1:5001", target)
        (home / "prometheus.yml").write_text(settings.replace("15s", "1s"))
        (home / "alerts.yml").write_text(ALERTS.read_text())
        super().__init__(
            (
                "prometheus",
                f"--config.file={home / 'prometheus.yml'}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address={address}",
            ),
            home / "prometheus.log",
            self._answers,
            env=environment(),
        )

    def ask(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(
            f"{self.url}/{path}",
            params=parameters,
            trust_env=False,
            verify=NO_AUTHORITY,
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def value(self, query: str) -> float | None:
        """That of a query with one result."""
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None

    def _answers(self) -> bool:
        try:
            return (
                httpx.get(f"{self.url}/targets", trust_env=False, verify=NO_AUTHORITY).status_code
                == 200
            )
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def mirror() -> Iterator[Measured]:
    """A mirror with a bound, and an upstream with a quota, through which something has passed."""
    with measured(REGISTRY_RETENTION_MAX_SIZE="1GiB") as found:
        upstream = found.scene.upstream
        quota = {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "42;w=21600"}
        upstream.misbehave(Fault(headers=quota), path="/manifests/")
        image = upstream.add_image(NAME, "latest")
        path, _ = found.scene.held_blob(NAME, 3_000_000)
        with client_of_each_worker(found.scene.mirror) as clients:
            for client in clients:
                assert client.get(f"{NAME}/manifests/latest").status_code == 200
                assert client.get(f"{NAME}/manifests/{image.digest}").status_code == 200
                assert client.get(path.removeprefix("/v2/")).status_code == 200
        found.await_that("store_objects", 1)
        yield found


@pytest.fixture(scope="module")
def prometheus(mirror: Measured) -> Iterator[Prometheus]:
    target = mirror.url.removeprefix("http://").removesuffix("/metrics")
    with scratch("prometheus") as home, Prometheus(home, target) as daemon:
        eventually(lambda: daemon.value("up") == 1, "the mirror is scraped")
        yield daemon


def dashboard_queries() -> list[str]:
    found = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for variable, value in _VARIABLES.items():
                query = query.replace(variable, value)
            found.append(query)
    return found


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def test_a_scrape_is_as_prometheus_wants_it(mirror: Measured, tmp_path: Path) -> None:
    require("promtool")
    (tmp_path / "scrape.txt").write_text(mirror.text())
    said = run("sh", "-c", f"promtool check metrics < {tmp_path / 'scrape.txt'} 2>&1")
    assert said == "", said


def test_the_alert_rules_hold_what_their_tests_say() -> None:
    require("promtool")
    run("promtool", "check", "rules", str(ALERTS))
    run("promtool", "check", "config", str(CONFIG))
    run("promtool", "test", "rules", str(ALERTS_TEST))


def test_each_alert_is_seen_silent_and_seen_going_off() -> None:
    silent: set[str] = set()
    loud: set[str] = set()
    for test in yaml.safe_load(ALERTS_TEST.read_text())["tests"]:
        for check in test["alert_rule_test"]:
            (loud if check.get("exp_alerts") else silent).add(check["alertname"])
    assert silent == loud == {rule["alert"] for rule in alerts()}


def test_the_dashboard_and_the_alerts_name_only_what_there_is(mirror: Measured) -> None:
    names = mirror.scrape().names
    queries = [*dashboard_queries(), *(rule["expr"] for rule in alerts())]
    asked = {name for query in queries for name in _METRIC.findall(query)}
    assert len(asked) > 30
    assert sorted(asked - names) == []


def test_all_metrics_are_in_a_scrape_and_no_others(mirror: Measured) -> None:
    names = {re.sub("_(bucket|count|sum)$", "", name) for name in mirror.scrape().names}
    assert names == set(FAMILIES)


def test_no_label_can_grow_without_bounds(mirror: Measured) -> None:
    text = mirror.text()
    assert NAME not in text
    assert "sha256" not in text
    labels = {name for _, its, _ in mirror.scrape().samples for name in its}
    assert labels == {
        *("route", "method", "status", "cache", "upstream", "result", "content", "kind"),
        *("reason", "version", "python", "worker", "le"),
    }


def test_it_is_up_and_its_counts_are_there(prometheus: Prometheus, mirror: Measured) -> None:
    (target,) = prometheus.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    hits = 'sum(mirrorsite_requests_total{route="blob", cache="hit"})'
    eventually(lambda: prometheus.value(hits) == 2, "both workers' pulls are there")
    assert prometheus.value("mirrorsite_upstream_quota_remaining") == 42
    assert prometheus.value("mirrorsite_store_bytes") == 3_000_000
    assert prometheus.value("mirrorsite_store_limit_bytes") == 1024**3


def test_prometheus_takes_the_alerts_and_none_goes_off(prometheus: Prometheus) -> None:
    (group,) = prometheus.ask("rules")["groups"]
    assert len(group["rules"]) == len(alerts())
    eventually(
        lambda: (
            {rule["health"] for rule in prometheus.ask("rules")["groups"][0]["rules"]} == {"ok"}
        ),
        "all rules were evaluated",
    )
    firing = [alert["labels"]["alertname"] for alert in prometheus.ask("alerts")["alerts"]]
    assert firing == []


@pytest.mark.parametrize("query", dashboard_queries())
def test_each_panel_gets_an_answer(prometheus: Prometheus, query: str) -> None:
    if query.endswith("> 0"):
        prometheus.ask("query", query=query)  # shows only what there is
        return
    eventually(
        lambda: bool(prometheus.ask("query", query=query)["result"]), f"there is data for {query}"
    )


def test_the_guide_explains_all_metrics_and_alerts() -> None:
    guide = (PROJECT / "docs/operating.md").read_text()
    _, _, section = guide.partition("\n## Metrics\n")
    section = section.partition("\n## ")[0]
    assert set(_METRIC.findall(section)) == set(FAMILIES)
    assert set(re.findall(r"`(Mirrorsite\w+)`", section)) == {rule["alert"] for rule in alerts()}
