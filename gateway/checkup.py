"""Try everything that a configuration names, once, and change nothing: for `energy-gateway check`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.agent.feeds import access_of, lacks_credential, try_feed
from gateway.bridge.load import asked_of
from gateway.bridge.serve import Bridge
from gateway.clock import WallClock
from gateway.config.device_settings import DeviceSettings
from gateway.config.feeds import PriceFeed
from gateway.config.guard import FILE as GUARD_FILE
from gateway.config.load import line_of
from gateway.config.plausible import doubts
from gateway.config.settings import Settings
from gateway.control.batteries import NOT_STATED, combined, planned, sized
from gateway.control.fuse import loads_a, total_w
from gateway.devices.build import build_devices
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Fuse
from gateway.domain.intervals import QUARTER, iso
from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot
from gateway.errors import BrokerError, ConfigError, DeviceError, FeedError, MarketError
from gateway.feeds import open_feed
from gateway.forecasts.pv_services import pv_provider
from gateway.guard.intents import GuardFile
from gateway.guard.proofs import ProofFolder
from gateway.market.connect import adapter, open_market
from gateway.planner import strategy
from gateway.publishing.broker import try_broker
from gateway.site.roles import unclear
from gateway.site.snapshot import join
from gateway.store.journal import Journal
from gateway.store.lock import held

BRIDGE_S = 6.0  # real seconds for a device without Modbus to be heard
ANSWER_S = 15.0  # real seconds for one device; some connect slowly
SHOWN = ("pv_power_w", "battery_soc_pct", "battery_power_w", "grid_power_w", "charger_power_w")

# Families that do not count at the connection themselves, and what of theirs does.
_COUNTS_ELSEWHERE = {
    "victron-gx": "the GX shows its grid meter at a unit of its own (profile victron-grid-meter); or ",
    "fronius-gen24": "the Smart Meter is a unit of its own behind the inverter (profile sunspec-meter, unit 200 or 240); or ",
    "kostal-plenticore": "the Smart Energy Meter is a device of its own (profile sunspec-meter); or ",
    "sma-hybrid": "the Home Manager is a device of its own; or ",
}
_TAKEN = "not asked: it takes one client only, and that is the running gateway"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried. ``says`` of a fault starts with file and line."""

    what: str
    good: bool
    says: str


def faults(path: Path, text: str, settings: Settings) -> list[str]:
    """What is wrong without asking anybody: unknown profiles, adapters and strategies."""
    found = []
    for i, device in enumerate(settings.device):
        try:
            _known(device)
        except ConfigError as error:
            found.append(_at(path, text, ("device", i, "profile"), str(error)))
    if settings.market:
        try:
            adapter(settings.market.exchange)
        except ConfigError as error:
            found.append(_at(path, text, ("market", "exchange"), str(error)))
    try:
        strategy(settings.planner.strategy)
    except ConfigError as error:
        found.append(_at(path, text, ("planner", "strategy"), str(error)))
    forecast = settings.pv_forecast
    if forecast and forecast.provider != "solcast":  # its key may be a credential of the service
        try:
            pv_provider(settings)
        except ConfigError as error:
            found.append(_at(path, text, ("pv_forecast", "provider"), str(error)))
    return found + _feed_faults(path, text, settings)


def _feed_faults(path: Path, text: str, settings: Settings) -> list[str]:
    """Unknown providers, and what they need; a key may be a credential of the service."""
    found = []
    for i, feed in enumerate(settings.price_feed):
        try:
            open_feed(feed.provider, access_of(feed, settings))
        except ConfigError as error:
            if not lacks_credential(feed, error):
                found.append(_at(path, text, ("price_feed", i, "provider"), str(error)))
    return found


def questions(path: Path, text: str, settings: Settings) -> list[str]:
    """What can hardly be meant so, each with what would be right."""
    return [
        _at(
            path, text, doubt.key, f'{doubt.says} (accept = ["{doubt.name}"] takes it as it stands)'
        )
        for doubt in doubts(settings)
    ]


async def checkup(path: Path, text: str, settings: Settings) -> AsyncIterator[Finding]:
    """Read every device once, meet the broker and the exchange. Nothing is written to a device.

    ``text`` is what stands in ``path``, for the lines.
    """
    clock = WallClock()
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        unwritten = GuardFile(Path(folder) / GUARD_FILE)
        proofs = ProofFolder(settings.state_dir)
        states: dict[str, DeviceState] = {}
        try:
            running = held(settings.state_dir / GUARD_FILE)
            for i, device in enumerate(
                build_devices(settings.plain_devices(), unwritten, clock, proofs=proofs)
            ):
                if running and device.profile.communication.single_client:
                    yield Finding(device.name, True, _TAKEN)
                    continue
                where = _at(path, text, ("device", i, "name"), "")
                own = settings.device[i]
                finding, good = await (
                    _through_bridge(own, settings, where) if own.bridged else _device(device, where)
                )
                yield finding
                states[device.name] = DeviceState(device.name, online=True, readings=good)
            home = join(clock.now(), states, roles=settings.for_guard().roles())
            if open_question := unclear(home):
                where = _at(path, text, ("device", 0, "name"), "")
                yield Finding("grid meter", False, f"{where}{open_question}")
            if lacking := _uncounted(home, [d.profile for d in settings.device]):
                where = _at(path, text, ("market", "exchange"), "") if settings.market else ""
                yield Finding("settling", settings.market is None, f"{where}{lacking}")
            if settings.site.fuse is not None:
                yield _fuse(home, settings.site.fuse)
            if any(b.soc_pct is not None for b in home.batteries):
                yield _battery(settings, home, _at(path, text, ("battery",), ""))
            for i, stated in enumerate(settings.price_feed):
                where = _at(path, text, ("price_feed", i, "name"), "")
                yield await _feed(stated, settings, clock, where)
            yield await _broker(settings, _at(path, text, ("mqtt",), ""))
            if settings.market:
                yield await _market(settings, journal, clock, _at(path, text, ("market",), ""))
        finally:
            journal.close()


def _known(device: DeviceSettings) -> None:
    """Raises ConfigError for a profile that there is not, or whose values cannot be read so."""
    if device.bridged:
        asked_of(device)
    else:
        profile(device.profile)


async def _through_bridge(
    stated: DeviceSettings, settings: Settings, where: str
) -> tuple[Finding, dict[str, Reading]]:
    """A device without Modbus, by a bridge of our own that lives as long as the question."""
    clock = WallClock()
    bridge = Bridge([stated.at_its_port()], settings.mqtt, clock)
    async with bridge.running(clock) as port:
        await bridge.heard(BRIDGE_S)
        return await _device(build_devices([stated.through_bridge(1, port)], None, clock)[0], where)


async def _device(device: ModbusDevice, where: str) -> tuple[Finding, dict[str, Reading]]:
    """How it went, and the good readings that it gave."""
    try:
        async with asyncio.timeout(ANSWER_S):
            readings = await device.poll()
    except TimeoutError:
        return Finding(device.name, False, f"{where}no answer within {ANSWER_S:.0f} s"), {}
    except DeviceError as error:
        return Finding(device.name, False, f"{where}{error}"), {}
    finally:
        await device.close()
    known = device.identity
    name = " ".join(t for t in (known.manufacturer, known.model) if t) or device.profile.key
    good = {r.metric: r for r in readings if r.quality is Quality.GOOD}
    shown = ", ".join(_shown(good[m]) for m in SHOWN if m in good)
    controls = ", ".join(sorted(c.value for c in device.controls)) or "nothing"
    # why one is withheld is a line of its own, by the device itself
    says = "; ".join(
        [
            f"{name}: {shown}",
            f"can set {controls}",
            *(n.text.partition(":")[0] for n in device.notes),
        ]
    )
    return Finding(device.name, True, says), good


def _fuse(home: Snapshot, fuse: Fuse) -> Finding:
    """How the fuse is watched: phase by phase, or by the sum and what is assumed of it."""
    loads = loads_a(home, fuse)
    if loads is not None:
        now = ", ".join(f"{load:.1f}" for load in loads)
        return Finding("fuse", True, f"{fuse.amps:g} A a phase; the meter tells each: {now} A now")
    says = (
        f"the meter tells no phases: at most {total_w(home, fuse):.0f} W are drawn in all, for one "
        f"phase may carry {fuse.unbalance_a:g} A more than the others (site.unbalance_a)"
    )
    return Finding("fuse", True, says)


def _uncounted(home: Snapshot, profiles: Sequence[str]) -> str:
    """Why what is traded could not be settled here, and what meter would do; empty where it can, or nothing is known."""
    if not home.devices or any(not device.readings for device in home.devices.values()):
        return ""  # one that does not answer may be the one that counts
    lacking = [
        what
        for what, counted in (("drawn", home.grid_import_wh), ("fed in", home.grid_export_wh))
        if counted is None
    ]
    if not lacking:
        return ""
    hint = next((h for key, h in _COUNTS_ELSEWHERE.items() if key in profiles), "")
    return (
        f"no device counts what is {' and '.join(lacking)} at the connection, so what is traded cannot be settled; "
        f'{hint}any meter with counters there would do (`energy-gateway profiles`), with role = "grid"'
    )


def _battery(settings: Settings, home: Snapshot, where: str) -> Finding:
    assumed = settings.for_guard().battery
    batteries = sized(planned(home.batteries, {}), assumed)
    spec = combined(batteries, assumed, settings.site.reserve_pct)
    if spec is None:
        return Finding("battery", False, f"{where}{NOT_STATED}")
    says = (
        f"{spec.capacity_wh:.0f} Wh, {spec.reserve_wh:.0f} Wh of it kept for outages; "
        f"charges with {spec.max_charge_w:.0f} W, discharges with {spec.max_discharge_w:.0f} W"
    )
    return Finding("battery", True, says)


async def _broker(settings: Settings, where: str) -> Finding:
    address = f"{settings.mqtt.host}:{settings.mqtt.port}"
    try:
        await try_broker(settings.mqtt)
    except (BrokerError, ConfigError) as error:
        return Finding("MQTT broker", False, f"{where}{address}: {error}")
    return Finding("MQTT broker", True, f"{address} takes us")


async def _feed(stated: PriceFeed, settings: Settings, clock: WallClock, where: str) -> Finding:
    """One question, judged as the daemon would; nothing is kept."""
    what, currency = f"price feed {stated.name}", settings.tariff.currency
    try:
        known = await try_feed(stated, settings, clock)
    except ConfigError as error:
        return Finding(what, lacks_credential(stated, error), f"not asked: {error}")
    except FeedError as error:
        return Finding(what, False, f"{where}{error}")
    rows = known.prices or known.forecast
    first, last = min(rows), max(rows) + QUARTER
    unit = "g of CO2" if stated.provider.startswith(("carbon", "energy-charts-co2")) else currency
    says = f"{min(rows.values()):.4g} to {max(rows.values()):.4g} {unit} a kWh, {iso(first)} to {iso(last)}"
    return Finding(what, True, says)


async def _market(settings: Settings, journal: Journal, clock: WallClock, where: str) -> Finding:
    assert settings.market is not None  # noqa: S101 - asked before
    exchange, _ = open_market(settings.market, journal, clock)
    try:
        rules = await exchange.rules()
        offset_s = (await exchange.server_time() - clock.now()).total_seconds()
    except MarketError as error:
        return Finding("exchange", False, f"{where}{error}")
    finally:
        await exchange.close()
    says = (
        f"{rules.market_id}, zone {rules.segment_id}, {rules.currency}; clock off {offset_s:+.2f} s"
    )
    return Finding("exchange", True, says)


def _shown(reading: Reading) -> str:
    value = reading.value
    number = f"{value:.0f}" if isinstance(value, int | float) else str(value)
    return f"{reading.metric} {number} {reading.unit}".rstrip()


def _at(path: Path, text: str, keys: tuple[str | int, ...], says: str) -> str:
    line = line_of(text, keys)
    key = ".".join(str(k) for k in keys)
    return f"{path}:{line}: {key}: {says}" if line else f"{path}: {key}: {says}"
