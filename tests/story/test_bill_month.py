"""A month of a home that has a retailer and nobody else: the bill, to the cent, against sums made another way.

March, with the clock change in it: time-of-use tariff, grid fee by hour, levies, tax, standing and demand charge, a feed-in. The
battery is filled on cheap nights, which no inverter does by itself. The truth is the physics' own counters.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.agent.billing import BATTERY
from gateway.clock import SimClock
from gateway.domain.intervals import QUARTER, floor_quarter
from gateway.domain.trade import Metered
from gateway.metering.counters import Metering
from gateway.metering.energy import QuarterEnergy
from gateway.store.codec import metered_body
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.settings import FILE, SettingsStore
from simulators.lab import Battery, Car, House, Script, Visit
from simulators.lab.site import Equipment, LabSite
from simulators.physics.home import Home
from simulators.scenario import Scenario

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 1, tzinfo=BERLIN).astimezone(UTC)
END = datetime(2026, 4, 1, tzinfo=BERLIN).astimezone(UTC)
STEP = timedelta(minutes=1)
CAPACITY_WH = 10_000.0
CONFIG = """
state_dir = "state"
[site]
time_zone = "Europe/Berlin"
reserve_pct = 10
[[device]]
name = "inverter"
host = "127.0.0.1"
[car]
phases = 3
[tariff]
currency = "EUR"
import_price = { kind = "time_of_use", otherwise_per_kwh = "0.1532", periods = [
  { from = "22:00", to = "06:00", per_kwh = "0.0911" },
  { from = "17:00", to = "21:00", per_kwh = "0.2240", days = ["mon", "tue", "wed", "thu", "fri"] },
] }
export_price = { kind = "flat", per_kwh = "0.0786" }
grid_fee = { kind = "time_of_use", otherwise_per_kwh = "0.0782", periods = [
  { from = "00:00", to = "05:00", per_kwh = "0.0195", months = [1, 2, 3, 10, 11, 12] },
] }
levies_per_kwh = "0.0468"
tax_pct = "19"
monthly_fee = "5.90"
daily_fee = "0.12"
demand_charge_per_kw = "1.50"
"""


@dataclass
class _Time:
    moment: datetime

    def now(self) -> datetime:
        return self.moment


def sun_w(time: datetime) -> float:
    """Every third day is dull."""
    here = time.astimezone(BERLIN)
    hour = here.hour + here.minute / 60
    peak = 900.0 if here.day % 3 == 0 else 5_200.0
    return max(0.0, peak * (1 - ((hour - 12.5) / 5) ** 2))


def load_w(time: datetime) -> float:
    hour = time.astimezone(BERLIN).hour
    return 1_400.0 if 18 <= hour < 22 else 700.0 if 6 <= hour < 9 else 280.0


def visits() -> tuple[Visit, ...]:
    """The car comes on Fridays at 17:40 and leaves on Saturdays at 9."""
    made = []
    day = START
    while day < END:
        here = day.astimezone(BERLIN)
        if here.weekday() == 4:
            comes = here.replace(hour=17, minute=40).astimezone(UTC)
            made.append(Visit(comes, comes + timedelta(hours=15), stored_wh=40_000, car=Car()))
        day += timedelta(days=1)
    return tuple(made)


@dataclass
class Month:
    """What the physics counted at each quarter-hour's border."""

    imports: dict[datetime, float]
    exports: dict[datetime, float]

    def wh(self, counter: dict[datetime, float], start: datetime) -> int:
        """Whole Wh of a quarter, as a meter's register shows them at its two ends."""
        return round(counter[start + QUARTER]) - round(counter[start])


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Month]:
    folder = tmp_path_factory.mktemp("home")
    (folder / "gateway.toml").write_text(CONFIG)
    return folder, lived(folder / "state")


def lived(state: Path) -> Month:
    """Live the month, and meter it as the gateway does."""
    state.mkdir()
    time = _Time(START)
    house = House(battery=Battery(CAPACITY_WH, 5_000, 5_000))
    script = Script(sun_w=sun_w, load_w=load_w, visits=visits())
    home = Home(time, Scenario(start=START, house=house, soc_pct=50, car=None, script=script))
    site = LabSite(home, Equipment(), SimClock(START))
    journal, history = Journal(state / "journal.sqlite"), History(state / "history.sqlite")
    metering, energy, seen = Metering(), QuarterEnergy(), Month({}, {})
    while time.moment <= END:
        _steer(home, time.moment)
        snapshot = site.observe()
        assert snapshot.grid_import_wh is not None
        assert snapshot.grid_export_wh is not None
        if floor_quarter(time.moment) == time.moment:
            seen.imports[time.moment] = home.totals().grid_import
            seen.exports[time.moment] = home.totals().grid_export
        done = energy.add(snapshot)
        if done is not None:
            stored = (snapshot.battery_soc_pct or 0.0) / 100 * CAPACITY_WH
            history.add_quarter(done.observed)
            history.add_flow(done.flow(stored))
        closed = metering.add(time.moment, snapshot.grid_import_wh, snapshot.grid_export_wh)
        rows = [("metered", metered_body(m)) for m in closed if isinstance(m, Metered)]
        if rows:
            journal.append_all(rows, time.moment)
        time.moment += STEP
    journal.close()
    history.close()
    store = SettingsStore(state / FILE)
    spec = {"capacity_wh": CAPACITY_WH, "reserve_wh": 1_000, "max_charge_w": 5_000, "max_discharge_w": 5_000, "charge_efficiency": 0.945, "discharge_efficiency": 0.945, "charge_curve": [], "discharge_curve": []}  # fmt: skip
    store.setting(BATTERY, json.dumps(spec))
    store.close()
    return seen


def _steer(home: Home, now: datetime) -> None:
    """On dull days' nights the battery is filled from the grid, and the car waits until one o'clock."""
    here = now.astimezone(BERLIN)
    cheap = here.hour < 5 and here.day % 3 == 0
    home.command(
        discharge_limit_w=-4_000 if cheap else None,
        charge_limit_w=4_000 if cheap else None,
        grid_charge=cheap,
        charge_current_a=16.0 if 1 <= here.hour < 17 else 0.0,
    )


def energy_gateway(folder: Path, *words: str) -> str:
    program = "from gateway.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True, cwd=folder
    )  # fmt: skip
    return done.stdout


def by_hand(seen: Month, start: datetime, end: datetime) -> tuple[Fraction, Fraction, Fraction]:
    """Energy bought (with fee, levies, tax), feed-in, and the highest quarter's kW: by local hours, in fractions."""
    bought = given = peak = Fraction(0)
    at = start
    while at < end:
        here = at.astimezone(BERLIN)
        price = Fraction("0.1532")
        if here.hour >= 22 or here.hour < 6:
            price = Fraction("0.0911")
        elif 17 <= here.hour < 21 and here.weekday() < 5:
            price = Fraction("0.2240")
        fee = Fraction("0.0195") if here.hour < 5 else Fraction("0.0782")
        kwh = Fraction(seen.wh(seen.imports, at), 1000)
        bought += kwh * (price + fee + Fraction("0.0468")) * Fraction("1.19")
        given += Fraction(seen.wh(seen.exports, at), 1000) * Fraction("0.0786")
        peak = max(peak, kwh * 4)
        at += QUARTER
    return bought, given, peak


def cent(amount: Fraction) -> str:
    return f"{float(round(amount, 2)):.2f}"


def test_the_bill_of_the_month_is_right_to_the_cent(month: tuple[Path, Month]) -> None:
    folder, seen = month
    said = json.loads(energy_gateway(folder, "bill", "--json"))
    bill = said["bill"]
    bought, given, peak = by_hand(seen, START, END)
    assert bill["quarters"] == {"metered": 31 * 96 - 4, "estimated": 0, "compared": 31 * 96 - 4}
    assert bill["energy"] == cent(bought)
    assert bill["feed_in"] == cent(-given)
    assert bill["standing"] == cent((Fraction("5.90") + 31 * Fraction("0.12")) * Fraction("1.19"))
    assert bill["demand"] == cent(peak * Fraction("1.50") * Fraction("1.19"))
    total = bought - given + (Fraction("5.90") + 31 * Fraction("0.12") + peak * Fraction("1.50")) * Fraction("1.19")  # fmt: skip
    assert bill["total"] == cent(total)
    assert bill["unpriced_wh"] == 0
    without = {k: float(bill[k]) for k in ("total", "without_gateway", "without_battery", "without_sun")}  # fmt: skip
    assert without["total"] < without["without_gateway"] < without["without_battery"]
    assert without["without_battery"] < without["without_sun"]
    assert float(bill["saved"]) == pytest.approx(without["without_gateway"] - without["total"], abs=0.011)  # fmt: skip


def test_days_are_the_month(month: tuple[Path, Month]) -> None:
    folder, seen = month
    days = json.loads(energy_gateway(folder, "bill", "--by", "day", "--json"))
    assert len(days["rows"]) == 31
    assert sum(row["import_wh"] for row in days["rows"]) == days["bill"]["import_wh"]
    assert sum(Decimal(row["demand"]) for row in days["rows"]) == pytest.approx(Decimal(days["bill"]["demand"]), abs=Decimal("0.15"))  # fmt: skip
    changed = days["rows"][28]
    assert changed["quarters"]["metered"] == 92
    sunday = datetime(2026, 3, 29, tzinfo=BERLIN).astimezone(UTC)
    bought, given, _ = by_hand(seen, sunday, sunday + timedelta(hours=23))
    assert (changed["energy"], changed["feed_in"]) == (cent(bought), cent(-given))
    lines = energy_gateway(folder, "bill", "--by", "day", "--csv").splitlines()
    assert len(lines) == 32
    assert lines[0].startswith("start,end,currency,import_wh")


def test_the_statement_waits_for_nobody(month: tuple[Path, Month]) -> None:
    folder, _ = month
    shown = energy_gateway(folder, "statement")
    assert "EUR, to pay +" in shown
    assert "own rule" in shown
    assert "settle" not in shown
    assert "net" not in shown
    span = energy_gateway(folder, "statement", "--from", "2026-03-02", "--to", "2026-03-03", "--json")  # fmt: skip
    assert json.loads(span)["bill"]["quarters"]["metered"] == 96


def test_the_own_rule_of_the_bill_is_that_of_the_inverter(month: tuple[Path, Month], tmp_path: Path) -> None:  # fmt: skip
    """The same month with nobody steering: what the comparison said is what it really costs."""
    folder, _ = month
    said = json.loads(energy_gateway(folder, "bill", "--json"))["bill"]
    time = _Time(START)
    house = House(battery=Battery(CAPACITY_WH, 5_000, 5_000))
    script = Script(sun_w=sun_w, load_w=load_w, visits=visits())
    home = Home(time, Scenario(start=START, house=house, soc_pct=50, car=None, script=script))
    home.command(reserve_pct=10)
    seen = Month({}, {})
    while time.moment <= END:
        seen.imports[time.moment] = home.totals().grid_import
        seen.exports[time.moment] = home.totals().grid_export
        time.moment += QUARTER
    bought, given, peak = by_hand(seen, START, END)
    fees = (Fraction("5.90") + 31 * Fraction("0.12") + peak * Fraction("1.50")) * Fraction("1.19")
    truly = float(bought - given + fees)
    assert float(said["without_gateway"]) == pytest.approx(truly, rel=0.03)
