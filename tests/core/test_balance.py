"""Powers that cannot be true together are said once, with the device that a turned sign would explain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot
from gateway.site.balance import LASTING_S, Balance, contradictions
from gateway.site.snapshot import join

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
Powers = dict[str, float | None]


def home(inverter: Powers, meter: Powers, time: datetime = NOON) -> Snapshot:
    def state(name: str, powers: Powers) -> DeviceState:
        readings = {
            m: Reading(m, w, Quality.GOOD if w is not None else Quality.ABSENT, time)
            for m, w in powers.items()
        }
        return DeviceState(name, online=True, readings=readings)

    return join(time, {"roof": state("roof", inverter), "meter": state("meter", meter)})


def hybrid(panels: float, battery: float, loss: float = 0.04) -> Powers:
    output = (panels + battery) * (1 - loss if panels + battery > 0 else 1 + loss)
    return {"pv_power_w": panels, "battery_power_w": battery, "ac_power_w": output}


def suspects(snapshot: Snapshot) -> set[frozenset[str]]:
    return {fault.suspects for fault in contradictions(snapshot)}


@given(st.floats(0, 20_000), st.floats(-10_000, 10_000), st.floats(0, 15_000), st.floats(0, 0.08))
def test_no_true_home_is_ever_suspected(
    panels: float, battery: float, load: float, loss: float
) -> None:
    roof = hybrid(panels, battery, loss)
    output = roof["ac_power_w"]
    assert output is not None
    assert not suspects(home(roof, {"grid_power_w": load - output}))
    without_output = {m: w for m, w in roof.items() if m != "ac_power_w"}
    assert not suspects(home(without_output, {"grid_power_w": load - output}))


def test_a_turned_meter_is_named_when_the_house_imports() -> None:
    assert suspects(home(hybrid(0, 0), {"grid_power_w": -1500})) == {frozenset({"meter"})}


def test_a_turned_battery_is_named_by_its_inverter() -> None:
    roof = hybrid(1000, 2000) | {"battery_power_w": -2000.0}
    assert suspects(home(roof, {"grid_power_w": 0})) == {frozenset({"roof"})}


def test_without_an_output_the_house_tells_of_the_battery() -> None:
    roof: Powers = {"pv_power_w": 0, "battery_power_w": -2000}
    assert suspects(home(roof, {"grid_power_w": 100})) == {frozenset({"roof"})}


@pytest.mark.parametrize("missing", ["pv_power_w", "battery_power_w", "ac_power_w"])
def test_what_is_not_known_contradicts_nothing(missing: str) -> None:
    roof = hybrid(1000, 2000) | {"battery_power_w": -2000.0, missing: None}
    assert not suspects(home(roof, {"grid_power_w": None}))


def test_it_is_said_once_when_it_lasts_and_once_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    balance, shown = Balance(), set()
    for second in range(0, int(4 * LASTING_S), 2):
        grid = -1500.0 if second < 3 * LASTING_S else 1500.0
        balance.look(home(hybrid(0, 0), {"grid_power_w": grid}, NOON + timedelta(seconds=second)))
        shown |= {alarm.text for alarm in balance.alarms}
    (alarm,) = shown
    assert "look at the sign of meter" in alarm
    assert balance.alarms == ()
    said = [(r.levelname, r.getMessage()) for r in caplog.records]
    assert [level for level, _ in said] == ["WARNING", "INFO"]
    assert "sign of meter" in said[0][1]


def test_a_moment_that_does_not_fit_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    balance = Balance()
    for second in range(0, int(4 * LASTING_S), 2):
        grid = -4000.0 if second % 60 == 0 else 500.0  # a load that was switched off
        balance.look(home(hybrid(0, 0), {"grid_power_w": grid}, NOON + timedelta(seconds=second)))
    assert not caplog.records


def test_a_battery_beside_an_inverter_that_tells_its_output_is_no_contradiction() -> None:
    """A battery with an inverter of its own feeds the house, and tells no AC output."""
    sold = join(
        NOON,
        {
            "roof": DeviceState("roof", True, _good({"pv_power_w": 0.0, "ac_power_w": 0.0})),
            "store": DeviceState("store", True, _good({"battery_power_w": 3000.0})),
            "meter": DeviceState("meter", True, _good({"grid_power_w": -2500.0})),
        },
    )
    assert not suspects(sold)


def _good(powers: dict[str, float]) -> dict[str, Reading]:
    return {m: Reading(m, w, Quality.GOOD, NOON) for m, w in powers.items()}
