"""The car's state of charge from an MQTT topic: wishes in percent become energy at the charger."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiomqtt
import pytest

from gateway.agent.car_soc import KEEPS, CarSocInput, standing
from gateway.agent.state import CarSoc, GatewayState, HomeRules, StateKeeper
from gateway.agent.user_settings import configured
from gateway.clock import SimClock
from gateway.config.settings import Settings
from gateway.domain.control import Setpoints
from gateway.domain.order import StandingSettings
from gateway.domain.readings import ChargerState
from gateway.ipc.messages import GuardReport
from gateway.publishing.mqtt import Publisher
from gateway.store.journal import Journal
from simulators.broker import BrokerHandle
from tests.publishing.conftest import START, connected, mqtt, running
from tests.publishing.homes import snapshot
from tests.waiting import HANG_S


def keeper(tmp_path: Path, got_wh: float = 0.0) -> StateKeeper:
    """A home with a car of 54 kWh that stands at the charger and has got ``got_wh``."""
    settings = Settings.model_validate(
        {
            "device": [{"name": "x", "host": "x"}],
            "state_dir": tmp_path,
            "car": {"energy_wh": 10_000, "capacity_wh": 54_000, "soc_topic": "car/soc"},
        }
    )
    user = configured(settings).changed({"departure_soc_pct": 80.0, "car_limit_pct": 90.0})
    return StateKeeper(
        GatewayState(HomeRules.of(settings), user, report=report(got_wh)),
    )


def report(got_wh: float) -> GuardReport:
    seen = replace(snapshot(0), chargers=(ChargerState("box", 0.0, True, got_wh),))
    return GuardReport(1, seen, Setpoints(), StandingSettings(20), order_holds=True)


async def test_what_a_topic_tells_is_heard(
    broker: BrokerHandle, journal: Journal, tmp_path: Path
) -> None:
    """Retained or not; what is no percentage changes nothing."""
    state = keeper(tmp_path, got_wh=500.0)
    heard = CarSocInput(state, state.writer("car_soc"), SimClock(START))
    publisher = Publisher(mqtt(broker.port), "home", journal)
    told = asyncio.Event()

    def hear(payload: bytes) -> None:
        heard.hear(payload)
        if payload == b"nonsense":
            told.set()

    publisher.listen("car/soc", hear)
    async with aiomqtt.Client("127.0.0.1", broker.port, timeout=HANG_S) as car:
        await car.publish("car/soc", b"55", 1, retain=True)
        async with running(publisher):
            await connected(publisher)
            for text in (b"61.5", b"155", b"nan", b"", b"nonsense"):
                await car.publish("car/soc", text, 1)
            await asyncio.wait_for(told.wait(), HANG_S)
    assert state.state.car_soc == CarSoc(61.5, START, 500.0)


@pytest.mark.parametrize(
    ("case", "soc", "got_wh", "later", "wish_wh", "most_wh"),
    [
        ("20 % of 54 kWh are missing, and a tenth is lost", CarSoc(60, START, 0), 0, 0, 12_000, 18_000),
        ("what it has got since counts", CarSoc(60, START, 2_000), 5_000, 1, 14_000, 20_000),
        ("full enough: nothing is wanted", CarSoc(85, START, 0), 0, 0, 0, 3_000),
        ("too old: the energy counts", CarSoc(60, START, 0), 0, 19, 10_000, None),
        ("the session began anew: another car, perhaps", CarSoc(60, START, 9_000), 0, 1, 10_000, None),
        ("nobody knows", None, 0, 0, 10_000, None),
    ],
)  # fmt: skip
def test_a_wish_in_percent(
    case: str,
    soc: CarSoc | None,
    got_wh: float,
    later: float,
    wish_wh: float,
    most_wh: float | None,
    tmp_path: Path,
) -> None:
    assert timedelta(hours=19) > KEEPS
    state = replace(keeper(tmp_path, got_wh).state, car_soc=soc)
    made = standing(state, START + timedelta(hours=later))
    assert made.departure_energy_wh == pytest.approx(wish_wh), case
    assert made.car_limit_wh == (None if most_wh is None else pytest.approx(most_wh)), case
