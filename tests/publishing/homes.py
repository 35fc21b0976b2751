"""A home to publish."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def device(name: str, time: datetime = NOON, online: bool = True, **values: object) -> DeviceState:
    readings = {
        metric: Reading(
            metric,
            value if isinstance(value, int | float | str) else None,
            Quality.GOOD if value is not None else Quality.BAD,
            time,
        )
        for metric, value in values.items()
    }
    return DeviceState(name, online, readings)


def snapshot(step: int = 0) -> Snapshot:
    """A home in which everything moves with ``step`` (10 s each)."""
    time = NOON + timedelta(seconds=10 * step)
    pv, battery, grid = 3000.0 + step % 700, -500.0 - step % 300, -800.5 - step % 90
    devices = {
        "inverter": device(
            "inverter",
            time,
            pv_power_w=pv,
            pv_energy_wh=1_000_000.0 + step * 8,
            battery_power_w=battery,
            battery_soc_pct=55.5,
            inverter_state="running",
        ),
        "meter": device(
            "meter",
            time,
            grid_power_w=grid,
            grid_import_wh=2_000_000.0,
            grid_export_wh=3_000_000.0 + 2 * step,
            grid_frequency_hz=50.0 + step % 7 / 100,
        ),
        "charger": device("charger", time, charger_power_w=0.0, charger_state="idle"),
    }
    return Snapshot(
        time, devices, pv, battery, 55.5, grid, pv + battery + grid, 0.0, False, None,
        2_000_000.0, 3_000_000.0 + 2 * step,
    )  # fmt: skip
