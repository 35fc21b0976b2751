"""The numbers for Prometheus, in its units and names; the page serves them on /metrics.

What is not known now has no sample: a gap in a graph is honest, a zero is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.domain import metrics as readings
from gateway.domain.metrics import METRICS
from gateway.domain.readings import Snapshot
from gateway.publishing.topics import MARKET_SCALARS, MarketState

_PREFIX = "energy_gateway"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the parts of the gateway have counted since its start."""

    tenders: int = 0
    transactions: int = 0
    settled_money: int = 0  # 1e-8 currency units, to the home +
    unsent_events: int = 0
    mqtt_messages: int = 0
    mqtt_losses: int = 0
    mqtt_connected: bool = False
    control_ticks: int = 0
    trading_paused: bool = False


class Metrics:
    """Holds the latest picture and what is counted on the way; `render` is a scrape."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._latest: tuple[Snapshot, MarketState | None, Counts] | None = None
        self._polls = Histogram(
            f"{_PREFIX}_poll_seconds",
            "time for one poll of a device that answered",
            ["device"],
            registry=self._registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self._errors = Counter(
            f"{_PREFIX}_poll_errors",
            "polls that a device did not answer or answered wrongly",
            ["device"],
            registry=self._registry,
        )
        self._registry.register(self)

    def polled(self, device: str, seconds: float, answered: bool) -> None:
        """Count one poll."""
        if answered:
            self._polls.labels(device).observe(seconds)
        else:
            self._errors.labels(device).inc()

    def show(self, snapshot: Snapshot, market: MarketState | None, counts: Counts) -> None:
        """The picture that the next scrape gets."""
        self._latest = (snapshot, market, counts)

    def render(self) -> bytes:
        """The text of /metrics."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by the registry at a scrape."""
        if self._latest is None:
            return
        snapshot, market, counts = self._latest
        yield from _devices(snapshot)
        yield from _home(snapshot)
        if market is not None:
            yield from _market(market)
        yield from _counts(counts)


def _devices(snapshot: Snapshot) -> Iterator[Metric]:
    devices = snapshot.devices.values()
    up = _gauge("device_up", "1 while the device answers", ["device"])
    asleep = _gauge("device_asleep", "1 while it sleeps in the dark, as its kind does", ["device"])
    for device in devices:
        up.add_metric([device.name], float(device.online))
        asleep.add_metric([device.name], float(device.asleep))
    yield up
    yield asleep
    for metric in METRICS.values():
        values = {d.name: d.number(metric.name) for d in devices if d.online}
        known = {name: value for name, value in values.items() if value is not None}
        if known and metric.unit:
            yield _reading(metric, known)


def _reading(metric: readings.Metric, values: Mapping[str, float]) -> Metric:
    unit = readings.unit_of(metric.unit)
    name = f"device_{metric.name.removesuffix(unit.suffix)}_{unit.spelled}".removesuffix("_")
    make = _counter if metric.counts == "for ever" else _gauge
    family = make(name, metric.about, ["device"])
    for device, value in values.items():
        family.add_metric([device], value)
    return family


def _home(snapshot: Snapshot) -> Iterator[Metric]:
    powers = _gauge(
        "home_power_watts", "load, pv, battery (discharge +), grid (import +)", ["part"]
    )
    for part in ("load", "pv", "battery", "grid", "charger"):
        value = getattr(snapshot, f"{part}_w")
        if value is not None:
            powers.add_metric([part], value)
    yield powers
    if snapshot.battery_soc_pct is not None:
        charge = _gauge("home_battery_charge_percent", "state of charge")
        charge.add_metric([], snapshot.battery_soc_pct)
        yield charge


def _market(market: MarketState) -> Iterator[Metric]:
    for name, (_, about) in MARKET_SCALARS.items():
        value = getattr(market, name)
        if value is not None:
            unit = "_watt_hours" if name.endswith("_wh") else ""
            family = _gauge(f"market_{name.removesuffix('_wh')}{unit}", about)
            family.add_metric([], float(value))
            yield family


def _counts(counts: Counts) -> Iterator[Metric]:
    for name, about, value in (
        ("tenders", "tenders of all times", counts.tenders),
        ("transactions", "fills since the start", counts.transactions),
        ("mqtt_messages", "messages that the broker has taken", counts.mqtt_messages),
        ("mqtt_losses", "times the broker was lost", counts.mqtt_losses),
        ("control_ticks", "decisions of the control loop", counts.control_ticks),
    ):
        family = _counter(name, about)
        family.add_metric([], value)
        yield family
    for name, about, number in (
        ("settled_money", "settled, currency units to the home", counts.settled_money / 1e8),
        ("ledger_unsent", "ledger events that the broker has not yet taken", counts.unsent_events),
        ("trading_paused", "1 while too much is disputed to trade", float(counts.trading_paused)),
        ("mqtt_up", "1 while the broker is connected", float(counts.mqtt_connected)),
    ):
        gauge = _gauge(name, about)
        gauge.add_metric([], number)
        yield gauge


def _gauge(name: str, about: str, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", about, labels=list(labels))


def _counter(name: str, about: str, labels: Iterable[str] = ()) -> CounterMetricFamily:
    return CounterMetricFamily(f"{_PREFIX}_{name}", about, labels=list(labels))
