"""What the demo is asked to do, and the configuration that its gateway runs with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.config.settings import Settings
from gateway.errors import ConfigError
from simulators.data import Recording, read_csv
from simulators.physics.heat import Boiler
from simulators.scenario import Scenario

START = datetime(2026, 6, 1, 5, tzinfo=UTC)  # midnight in Austin, Texas
CAR_WH = 10_000.0


@dataclass(frozen=True, slots=True)
class Options:
    """The demo's options; a port of 0 is any free one.

    State that is ``kept`` survives a power cut; else the exchange does not wait for the disk.
    With ``supply_curve`` the retailer sells dearer the more is asked of him, else at one price. Without
    an ``exchange`` the home has a retailer only: time-of-use tariff and feed-in. With ``heater`` it has a boiler
    with a rod, which otherwise keeps its water by a thermostat.
    """

    days: int = 1
    seed: int = 1
    data: Path | None = None
    broker_port: int = 0
    exchange_port: int = 0
    dashboard_port: int = 0
    kept: bool = False
    supply_curve: bool = False
    exchange: bool = True
    start: datetime = START
    heater: bool = False
    tables: Mapping[str, Any] = field(
        default_factory=dict
    )  # of gateway.toml, in place of the demo's

    def scenario(self) -> Scenario:
        """The home: simulated weather and people, or the recorded ones of ``data``."""
        if self.days < 1:
            raise ConfigError(f"--days {self.days}: at least one day")
        boiler = Boiler() if self.heater else None
        if self.data is None:
            return Scenario(start=self.start, seed=self.seed, boiler=boiler)
        recording = read_csv(self.data)
        self._covered(recording)
        return Scenario(
            start=recording.start, seed=self.seed, recording=recording, noise=0.3, boiler=boiler
        )

    def _covered(self, recording: Recording) -> None:
        # The last quarters settle an hour after the day: the data must reach a little further.
        hours = (recording.end - recording.start).total_seconds() / 3600
        if hours < self.days * 24 + 2:
            raise ConfigError(
                f"{self.data}: covers {hours:.0f} hours; --days {self.days} needs {self.days * 24 + 2}"
            )


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the parts of the world listen, all on 127.0.0.1."""

    inverter_port: int
    meter_port: int
    charger_port: int
    broker_port: int
    exchange_url: str | None
    dashboard_port: int
    heater_port: int | None = None


# Of a Texan kind: cheap nights, a dear summer evening, a fixed feed-in.
RETAILER: dict[str, Any] = {
    "currency": "USD",
    "import_price": {
        "kind": "time_of_use",
        "otherwise_per_kwh": "0.14",
        "periods": [
            {"from": "16:00", "to": "21:00", "per_kwh": "0.34", "months": [5, 6, 7, 8, 9]},
            {"from": "23:00", "to": "06:00", "per_kwh": "0.08"},
        ],
    },
    "export_price": {"kind": "flat", "per_kwh": "0.05"},
    "levies_per_kwh": "0.006",
    "tax_pct": "2",
    "daily_fee": "0.32",
}


BOILER: dict[str, Any] = {
    "power_w": 3500, "litres": 300, "target_c": 55, "min_c": 42, "max_c": 65, "ready_by": ["06:30", "18:00"], "loss_w": 55,
}  # fmt: skip


def gateway_settings(
    at: Addresses,
    state_dir: Path,
    time_zone: str = "America/Chicago",
    tables: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings of a usual home with these devices; 10 s control ticks."""
    return Settings.model_validate(gateway_tables(at, state_dir, time_zone) | dict(tables or {}))


def gateway_tables(
    at: Addresses, state_dir: Path, time_zone: str = "America/Chicago"
) -> dict[str, Any]:
    """The tables of that home's gateway.toml."""
    host = "127.0.0.1"
    raw: dict[str, Any] = {
        "state_dir": str(state_dir),
        "site": {
            "name": "home",
            "time_zone": time_zone,
            "reserve_pct": 20,
            "export_limit_w": 8000,
        },
        "device": [
            {"name": "inverter", "profile": "fronius-gen24", "host": host, "port": at.inverter_port},
            {"name": "meter", "profile": "sunspec-meter", "host": host, "port": at.meter_port,
             "unit": 200},
            {"name": "charger", "profile": "keba-p30", "host": host, "port": at.charger_port},
        ],
        "battery": {
            "capacity_wh": 13_500,
            "charge_efficiency": 0.945,
            "discharge_efficiency": 0.945,
            "standby_w": 8,
        },
        "car": {"energy_wh": CAR_WH, "departure": "07:00"},
        "mqtt": {"host": host, "port": at.broker_port, "publish_s": 60},
        "tariff": {"import_price": {"kind": "flat", "per_kwh": "0.14"}},
        "control": {"period_s": 10},
        "grid_operator": {},
        "planner": {"first_days": "live"},  # one day is to show trading; a real home begins in the shadow
        "dashboard": {"port": at.dashboard_port},
    }  # fmt: skip
    if at.heater_port is not None:
        raw["device"].append(
            {"name": "boiler", "profile": "my-pv-ac-elwa-2", "host": host, "port": at.heater_port,
             "steer": "always", "heat": BOILER}
        )  # fmt: skip
    if at.exchange_url is None:
        raw["tariff"] = RETAILER
    else:
        raw["market"] = {"exchange": "cts", "url": at.exchange_url, "party_id": "home"}
    return raw
