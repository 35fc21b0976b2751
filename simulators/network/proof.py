"""The light home against a full gateway: the same home, the same market, the same days.

The demo's world is played with a whole gateway (Modbus, MQTT, the exchange and its buyers). What the
weather, the people and the car did and what the market paid then goes into the light home, which
decides by the study's own recursion; energies and money are laid side by side.
The car is the gateway's: when it charges is taken as it was. As there, the battery does not feed it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from gateway.domain.intervals import quarters
from simulators.demo.options import Options
from simulators.demo.report import make_report, opening_state
from simulators.demo.run import SETTLED_AFTER
from simulators.demo.world import World, run_world
from simulators.network.kernel import NEVER_BIN, _sizes
from simulators.network.series import Array
from simulators.network.validation import Check
from simulators.network.values import HORIZON, POINTS, STATES, Terms, prices_to_act

_INVERTER = 0.97  # panels and battery lie on its DC side
_ONE_WAY = 0.975 * 0.97
_FROM_SUN = (
    0.975 / 0.97
)  # a surplus at the AC side never went through the inverter when it is stored
_IDLE_KW, _STANDBY_KW = 0.012, 0.008  # the inverter's at the AC side, the battery's from its cells
_RESERVE, _CAPACITY, _POWER = 2.7, 13.5, 5.0
_IMPORT_USD_PER_MWH = 140.0
_SPREAD = 0.35  # sigma of the real-time price around day-ahead, of its logarithm
_ENOUGH = 0.02


@dataclass(frozen=True, slots=True)
class Days:
    """What happened, by quarter-hour; kWh and USD/MWh. ``hour`` is local."""

    hour: Array
    load_kwh: Array  # without the car
    car_kwh: Array
    pv_kwh: Array
    sell: Array  # what an exported MWh earned
    expected: Array  # what was published before: the retailer's price for exports
    grid_kwh: Array  # the full gateway's, import +
    battery_kwh: Array  # its battery's DC side, discharge +
    stored_kwh: float  # at the start
    gateway: dict[str, float]  # import, export, discharge kWh and money USD of the full gateway;
    # energies net by quarter-hour, as they are settled and as the light home counts them


def play_gateway(days: int, seed: int) -> Days:
    """Play the demo's world; some 20 s a day."""
    found: list[Days] = []

    async def referee(world: World) -> None:
        found.append(await _watched(world))

    with tempfile.TemporaryDirectory(prefix="energy-proof-", ignore_cleanup_errors=True) as folder:
        asyncio.run(run_world(Options(days=days, seed=seed), Path(folder), referee))
    return found[0]


async def _watched(world: World) -> Days:
    zone = ZoneInfo(world.scenario.time_zone)
    stored = world.home.truth().soc_pct / 100 * _CAPACITY
    spans = list(quarters(world.start, world.end))
    totals = [world.home.totals()]
    for span in spans:
        await world.play(span.end, lambda _: None)
        totals.append(world.home.totals())
    closed = opening_state(world)
    await world.play(world.end + SETTLED_AFTER, lambda _: None)
    report = await make_report(world, closed)
    rows = {row.interval.start: row for row in report.statement.rows}
    prices = world.exchange.market.prices
    posted = [(prices.posted(s.start, world.clock.now()).export or 0) / 100 for s in spans]
    sell = []
    for span, fallback in zip(spans, posted, strict=True):
        fills = rows[span.start].fills if span.start in rows else ()
        wh = sum(f.quantity_wh for f in fills)
        money = sum(f.quantity_wh * f.price_ticks for f in fills)
        sell.append(money / wh / 100 if wh else fallback)
    grid = np.diff([t.grid_import - t.grid_export for t in totals]) / 1e3
    battery = np.diff([t.discharge - t.charge for t in totals]) / 1e3
    net = report.statement.net_money
    return Days(
        np.array([s.start.astimezone(zone).hour for s in spans]),
        np.diff([t.load for t in totals]) / 1e3,
        np.diff([t.ev for t in totals]) / 1e3,
        np.diff([t.pv for t in totals]) / 1e3,
        np.array(sell),
        np.array(posted),
        grid,
        battery,
        stored,
        {
            "import": float(grid.clip(min=0).sum()), "export": float(-grid.clip(max=0).sum()),
            "discharge": float(battery.clip(min=0).sum()), "money": (net or 0) / 1e8,
            "stored": report.soc_pct / 100 * _CAPACITY,
        },
    )  # fmt: skip


def light(days: Days, wear: float) -> dict[str, float]:
    """The same days by the light home, quarter by quarter."""
    net, own = _nets(days)
    table = _table(days, own, wear)
    stored, got = days.stored_kwh, dict.fromkeys(("import", "export", "discharge", "money"), 0.0)
    for q in range(days.load_kwh.size):
        sizes = _sizes(own[q], stored, _RESERVE, _CAPACITY, _POWER / 4, (_ONE_WAY, _FROM_SUN))
        did = _done(sizes, table[q // 4], stored, days.sell[q])
        charged, discharged = did[0] + did[1], did[2] + did[3]
        stored += did[0] * _ONE_WAY + did[1] * _FROM_SUN - discharged / _ONE_WAY - _STANDBY_KW / 4
        after = net[q] + charged - discharged
        got["import"] += max(after, 0.0)
        got["export"] += max(-after, 0.0)
        got["discharge"] += discharged / _INVERTER
        price = _IMPORT_USD_PER_MWH if after > 0 else days.sell[q]
        got["money"] -= after * price / 1e3
    got["stored"] = stored
    return got


def _nets(days: Days) -> tuple[Array, Array]:
    """What the home needs or has left in each quarter-hour, kWh: all of it, and what concerns the battery."""
    house = days.load_kwh + _IDLE_KW / 4 - days.pv_kwh * _INVERTER
    net = house + days.car_kwh
    return net, np.where(net < 0, net, house.clip(min=0))


def _table(days: Days, own: Array, wear: float) -> Array:
    """Prices to act at by hour of the days: [hour, POINTS, 4]."""
    hours = own.size // 4
    net = own.reshape(hours, 4).sum(axis=1)
    expected = days.expected.reshape(hours, 4).mean(axis=1)
    price = np.stack([expected * np.exp(z * _SPREAD) for z in STATES], axis=1)
    usable = _CAPACITY - _RESERVE
    one = np.ones(1)
    terms = Terms(
        np.full((1, 24), _IMPORT_USD_PER_MWH),
        0 * one,
        one,
        one,
        one * _POWER / usable,
        _ONE_WAY,
        _FROM_SUN,
        wear,
    )
    whole = -(-hours // 24) * 24 + HORIZON
    pad = np.arange(whole) % hours
    acts = prices_to_act(price[pad], (net / usable)[None, pad], terms)
    out: Array = acts[:, 0].reshape(-1, POINTS, 4)[:hours]
    return out


def _done(sizes: Sequence[float], table: Array, stored: float, price: float) -> list[float]:
    place = min(max((stored - _RESERVE) / (_CAPACITY - _RESERVE), 0.0), 1.0) * (POINTS - 1.001)
    low = int(place)
    acts = table[low] * (1 - (place - low)) + table[low + 1] * (place - low)
    return [
        size if (price < act) == (n < 2) and act < NEVER_BIN * 1e3 else 0.0
        for n, (size, act) in enumerate(zip(sizes, acts, strict=True))
    ]


def compare(days: int, seed: int = 1, wear: float = 20.0) -> list[Check]:
    """Energy at the meter and money of both, with what each has stored more at the end at its worth."""
    return laid_beside(
        play_gateway(days, seed), f"the demo's world, {days} days, seed {seed}", wear
    )


def laid_beside(played: Days, source: str, wear: float) -> list[Check]:
    full, mine = played.gateway, light(played, wear)
    spare = (mine["stored"] - full["stored"]) * _ONE_WAY
    energy = full["import"] + full["export"]
    away = abs(mine["import"] - spare - full["import"]) + abs(mine["export"] - full["export"])
    turnover = (
        full["import"] * _IMPORT_USD_PER_MWH / 1e3
        + full["export"] * float(played.sell.mean()) / 1e3
    )
    money = mine["money"] + spare * _IMPORT_USD_PER_MWH / 1e3 - full["money"]
    return [
        Check(
            "Light home against a full gateway: energy at the meter", source,
            f"{full['import']:.1f} kWh in, {full['export']:.1f} out (within 2 %)",
            f"{mine['import']:.1f} in, {mine['export']:.1f} out; {away / energy:.1%} of the energy apart",
            passed=away / energy <= _ENOUGH,
        ),
        Check(
            "Light home against a full gateway: the battery's discharge", source,
            f"{full['discharge']:.1f} kWh (within 2 %)",
            f"{mine['discharge']:.1f} kWh; {abs(mine['stored'] - full['stored']):.1f} kWh apart in the battery at the end",
            passed=abs(mine["discharge"] / max(full["discharge"], 1e-9) - 1) <= _ENOUGH,
        ),
        Check(
            "Light home against a full gateway: money", source,
            f"{full['money']:.2f} USD (within 2 % of the turnover, {turnover:.2f} USD)",
            f"{mine['money']:.2f} USD; {money / turnover:+.1%} of the turnover",
            passed=abs(money / turnover) <= _ENOUGH,
        ),
    ]  # fmt: skip
