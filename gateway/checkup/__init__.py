"""Try everything that a configuration names, once, and change nothing: for `energy-gateway check`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.agent.feeds import try_feed
from gateway.agent.programme import vtn_of
from gateway.bridge.serve import Bridge
from gateway.checkup.finding import Finding
from gateway.checkup.here import billed_anew, on_this_machine, running_gateway
from gateway.checkup.stated import built, faults, questions
from gateway.clock import WallClock
from gateway.config.agent_settings import Programme
from gateway.config.device_settings import DeviceSettings
from gateway.config.explain import at
from gateway.config.feeds import PriceFeed
from gateway.config.guard import FILE as GUARD_FILE
from gateway.config.settings import Settings
from gateway.control.batteries import NOT_STATED, combined, planned, sized
from gateway.control.fuse import loads_a, total_w
from gateway.devices.build import build_devices
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Fuse
from gateway.domain.intervals import QUARTER, iso
from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot
from gateway.errors import BrokerError, ConfigError, DeviceError, FeedError, MarketError
from gateway.escape import printable
from gateway.guard.intents import GuardFile
from gateway.guard.proofs import ProofFolder
from gateway.market.connect import open_market
from gateway.openadr.documents import program_of
from gateway.publishing.broker import try_broker
from gateway.site.roles import unclear
from gateway.site.snapshot import join
from gateway.store.journal import Journal
from gateway.store.lock import held

__all__ = ["Finding", "built", "checkup", "faults", "questions"]

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
_SIZE_TIMES = (
    2.0  # what is stated of a battery is less than so many times what it says, and more than half
)
_TAKEN = "not asked: it takes one client only, and that is the running gateway"


async def checkup(
    path: Path, text: str, settings: Settings, *, secrets_known: bool = True
) -> AsyncIterator[Finding]:
    """Read every device once, meet the broker and the exchange. Nothing is written to a device.

    ``text`` is what stands in ``path``, for the lines. A gateway that runs is not disturbed: a device that
    takes one client is not asked, and its ports and folder are left alone.
    """
    clock = WallClock()
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite")
        unwritten = GuardFile(Path(folder) / GUARD_FILE)
        proofs = ProofFolder(settings.state_dir)
        states: dict[str, DeviceState] = {}
        try:
            other = running_gateway(settings)
            running = other is not None or held(settings.state_dir / GUARD_FILE)
            for i, device in enumerate(
                build_devices(settings.plain_devices(), unwritten, clock, proofs=proofs)
            ):
                if running and device.profile.communication.single_client:
                    yield Finding(device.name, True, _TAKEN)
                    continue
                where = at(path, text, ("device", i, "name"), "")
                own = settings.device[i]
                finding, good = await (
                    _through_bridge(own, settings, where) if own.bridged else _device(device, where)
                )
                yield finding
                states[device.name] = DeviceState(device.name, online=True, readings=good)
            home = join(clock.now(), states, roles=settings.for_guard().roles())
            for found in _home(path, text, settings, home):
                yield found
            for i, stated in enumerate(settings.price_feed):
                where = at(path, text, ("price_feed", i, "name"), "")
                yield await _feed(stated, settings, clock, where, secrets_known)
            yield await _broker(settings, at(path, text, ("mqtt",), ""))
            if settings.market:
                yield await _market(settings, journal, clock, at(path, text, ("market",), ""))
            if settings.programme is not None:
                where = at(path, text, ("programme", "url"), "")
                yield await _programme(settings.programme, where, secrets_known)
            if running:
                yield Finding("gateway", True, f"it runs{f' ({other})' if other else ''}")
            today = clock.now().astimezone(ZoneInfo(settings.site.time_zone)).date()
            for found in billed_anew(path, text, settings, today):
                yield found
            async for found in on_this_machine(path, text, settings, running=running):
                yield found
        finally:
            journal.close()


def _home(path: Path, text: str, settings: Settings, home: Snapshot) -> Iterator[Finding]:
    """What all devices together say: the connection, what counts there, the fuse, the battery."""
    if open_question := unclear(home):
        where = at(path, text, ("device", 0, "name"), "")
        yield Finding("grid meter", False, f"{where}{open_question}")
    if lacking := _uncounted(home, [d.profile for d in settings.device]):
        where = at(path, text, ("market", "exchange"), "") if settings.market else ""
        yield Finding("settling", settings.market is None, f"{where}{lacking}")
    if settings.site.fuse is not None:
        yield _fuse(home, settings.site.fuse)
    if any(b.soc_pct is not None for b in home.batteries):
        yield _battery(settings, home, at(path, text, ("battery", "capacity_wh"), ""))


async def _through_bridge(
    stated: DeviceSettings, settings: Settings, where: str
) -> tuple[Finding, dict[str, Reading]]:
    """A device without Modbus, by a bridge of our own that lives as long as the question."""
    clock = WallClock()
    bridge = Bridge([stated.at_its_port()], settings.mqtt, clock, "energy-gateway-check-bridge")
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
            *(n.said.text.partition(": run ")[0] for n in device.notes),
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
    if wrong := _other_size(home, assumed.capacity_wh):
        return Finding("battery", False, f"{where}{wrong}")
    says = (
        f"{spec.capacity_wh:.0f} Wh, {spec.reserve_wh:.0f} Wh of it kept for outages; "
        f"charges with {spec.max_charge_w:.0f} W, discharges with {spec.max_discharge_w:.0f} W"
    )
    return Finding("battery", True, says)


def _other_size(home: Snapshot, stated_wh: float | None) -> str:
    """Whether the configuration means another battery than the devices: half or double is no wear."""
    told = [b.capacity_wh for b in home.batteries]
    total_wh = sum(wh for wh in told if wh)
    if stated_wh is None or not all(told) or not total_wh:
        return ""
    if 1 / _SIZE_TIMES < stated_wh / total_wh < _SIZE_TIMES:
        return ""
    return f"capacity_wh = {stated_wh:g}, but the device says {total_wh:.0f} Wh; leave the key out and the device's holds"


async def _broker(settings: Settings, where: str) -> Finding:
    address = f"{settings.mqtt.host}:{settings.mqtt.port}"
    try:
        await try_broker(settings.mqtt)
    except (BrokerError, ConfigError) as error:
        return Finding("MQTT broker", False, f"{where}{address}: {error}")
    return Finding("MQTT broker", True, f"{address} takes us")


async def _feed(
    stated: PriceFeed, settings: Settings, clock: WallClock, where: str, secrets_known: bool
) -> Finding:
    """One question, judged as the daemon would; nothing is kept."""
    what, currency = f"price feed {stated.name}", settings.tariff.currency
    if stated.topic is not None:
        return Finding(what, True, f"is heard on the MQTT topic {stated.topic}; not asked")
    try:
        known = await try_feed(stated, settings, clock)
    except ConfigError as error:
        return Finding(what, not secrets_known, f"not asked: {error}")
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


async def _programme(stated: Programme, where: str, secrets_known: bool) -> Finding:
    """Which programmes its server shows us."""
    try:
        vtn = vtn_of(stated)
    except ConfigError as error:
        return Finding("programme", not secrets_known, f"not asked: {error}")
    try:
        seen = [program_of(raw).name for raw in await vtn.everything("programs")]
        lacking = sorted(set(stated.programs) - set(seen))
    except MarketError as error:
        return Finding("programme", False, f"{where}{error}")
    except (LookupError, TypeError, ValueError) as error:
        return Finding("programme", False, f"{where}it sent nonsense: {printable(str(error))}")
    finally:
        await vtn.close()
    shown = ", ".join(printable(name, 40) for name in seen) or "no programme"
    if lacking:
        return Finding("programme", False, f"{where}it shows us {shown}, not {', '.join(lacking)}")
    return Finding("programme", True, f"it shows us {shown}")


def _shown(reading: Reading) -> str:
    value = reading.value
    number = f"{value:.0f}" if isinstance(value, int | float) else str(value)
    return f"{reading.metric} {number} {reading.unit}".rstrip()
