"""What Prometheus reads is what is known, under its names and units."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.dashboard.live import live
from gateway.dashboard.view import HomeView
from gateway.domain.metrics import METRICS, Metric
from gateway.publishing import topics
from gateway.publishing.discovery import HomeToDiscover, discovered, discovery_messages
from gateway.publishing.metrics import Counts, Metrics
from gateway.publishing.topics import MarketState
from tests.publishing.homes import NOON, device, snapshot

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def scrape(metrics: Metrics) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (
            sample.name.removeprefix("energy_gateway_"),
            ",".join(sample.labels.values()),
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_known_values_and_no_others() -> None:
    metrics = Metrics()
    assert ("device_up", "meter") not in scrape(metrics)
    seen = snapshot()
    lost = replace(device("charger", online=False, charger_power_w=5.0), asleep=True)
    seen.devices["charger"] = lost  # type: ignore[index]
    market = MarketState(NOON, "USD", trading=True, position_wh=250, account_total="-1.50")
    metrics.show(seen, market, Counts(tenders=3, settled_money=-150_000_000, mqtt_connected=True))
    metrics.polled("meter", 0.02, answered=True)
    metrics.polled("charger", 1.0, answered=False)
    found = scrape(metrics)
    alerts = set(re.findall(r"energy_gateway_(\w+)", PAGE.read_text(encoding="utf-8")))
    assert alerts - {name for name, _ in found} == set(), "docs/operations.md names them"
    assert found["device_up", "meter"] == 1
    assert found["device_up", "charger"] == 0
    assert found["device_asleep", "meter"] == 0
    assert found["device_asleep", "charger"] == 1
    assert ("device_charger_power_watts", "charger") not in found
    assert found["device_pv_power_watts", "inverter"] == 3000
    assert found["device_grid_import_watt_hours_total", "meter"] == 2_000_000
    assert found["device_grid_frequency_hertz", "meter"] == 50
    assert found["home_power_watts", "grid"] == -800.5
    assert found["home_battery_charge_percent", ""] == 55.5
    assert found["market_position_watt_hours", ""] == 250
    assert found["market_account_total", ""] == -1.5
    assert found["market_trading", ""] == 1
    assert ("market_import_price_per_kwh", "") not in found
    assert found["tenders_total", ""] == 3
    assert found["settled_money", ""] == -1.5
    assert found["poll_seconds_count", "meter"] == 1
    assert found["poll_errors_total", "charger"] == 1


@given(st.text(max_size=6))
def test_a_metric_in_any_unit_reaches_every_place(unit: str) -> None:
    """A row that is added to the table needs no other place, whatever its unit."""
    row = Metric("rack_inlet_x", unit, "how it is at the inlet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METRICS, row.name, row)
        seen = snapshot()
        seen.devices["rack"] = device("rack", rack_inlet_x=21.5)  # type: ignore[index]
        metrics = Metrics()
        metrics.show(seen, None, Counts())
        found = {
            v for (name, who), v in scrape(metrics).items() if who == "rack" and "inlet" in name
        }
        assert found == ({21.5} if unit else set())
        topic = {m.topic: m.payload for m in topics.snapshot_messages("b", seen)}
        assert topic["b/rack/rack_inlet_x"] == b"21.5"
        home = HomeToDiscover("b", "home", "1")
        sensors = {m.topic: m.payload for m in discovery_messages(home, discovered(seen))}
        entity = json.loads(sensors["homeassistant/device/energy_gateway_home_rack/config"])
        assert "rack_inlet_x" in entity["components"]
        shown = live(HomeView("home", NOON, snapshot=seen))["devices"][-1]["readings"][0]
        assert (shown["value"], shown["unit"]) == (21.5, unit)
        assert shown["title"].startswith("Rack inlet")
