"""The answers become a file that a person can read; a file that is there keeps what its owner wrote."""

from __future__ import annotations

from datetime import time
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.tariff import FlatPrice, PublishedPrice, TimeOfUsePrice
from gateway.errors import ConfigError
from gateway.setup.document import ChosenDevice, Secrets, gateway_toml, known_answers
from gateway.setup.preview import settings_of
from gateway.setup.questions import QUESTIONS, questions, read

DEVICES = (
    ChosenDevice("inverter", "fronius-gen24", "10.0.0.4", says="Fronius GEN24\n[[x]]"),
    ChosenDevice("meter", "sunspec-meter", "10.0.0.4", unit=200, role="grid"),
)
NONE = Secrets()
ANSWERS = {
    "time_zone": "Europe/Berlin", "fuse": "3x35 A", "export_limit": "5 kW", "battery_capacity": "13.5 kWh", "currency": "EUR", "panels": "9.8 kW",
    "import_price": "29 ct", "export_price": "8 ct", "broker_user": "home", "car_days": "mon-fri",
}  # fmt: skip


def written(answers: dict[str, str], secrets: Secrets = NONE) -> str:
    found = read(answers, questions())
    assert found.faults == {}
    return gateway_toml(found.values, DEVICES, secrets)


def test_every_answer_arrives() -> None:
    settings = settings_of(written(ANSWERS, Secrets("/etc/x/page", "/etc/x/broker")))
    site, battery, car = settings.site, settings.battery, settings.car
    assert settings.household.panels_w == 9800
    assert (site.time_zone, site.fuse_a, site.phases, site.export_limit_w) == (
        "Europe/Berlin",
        35,
        3,
        5000,
    )
    assert (battery.capacity_wh, battery.max_charge_w, battery.max_discharge_w) == (
        13500,
        5000,
        5000,
    )
    assert car.departure_days == ("mon", "tue", "wed", "thu", "fri")
    assert (settings.tariff.currency, str(settings.mqtt.password_file)) == ("EUR", "/etc/x/broker")
    assert (settings.dashboard.host, str(settings.dashboard.password_file)) == (
        str(IPv4Address(0)),
        "/etc/x/page",
    )
    price = settings.tariff.import_price
    assert isinstance(price, FlatPrice)
    assert str(price.per_kwh) == "0.29"
    assert [d.name for d in settings.device] == ["inverter", "meter"]


def test_a_heater_that_was_found_is_asked_for_and_steered_by_what_was_answered() -> None:
    devices = (
        ChosenDevice("heater", "my-pv-ac-elwa-2", "10.0.0.5"),
        ChosenDevice("heater", "stiebel-isg-wpm", "10.0.0.6"),
        *DEVICES,
    )
    answers = ANSWERS | {"heat_power": "3.5 kW", "heat_litres": "300", "heat_ready": "6:30, 18:00"}
    found = read(answers, questions(), {"heater"})
    assert found.faults == {}
    settings = settings_of(gateway_toml(found.values, devices, NONE))
    rod, pump, *others = settings.device
    assert rod.heat is not None
    assert (rod.heat.power_w, rod.heat.litres, rod.heat.step_w) == (3500, 300, 0)
    assert rod.heat.ready_by == (time(6, 30), time(18))
    assert pump.heat is not None
    assert (pump.heat.step_w, pump.heat.heat_per_electricity, pump.heat.min_on_s) == (3500, 3, 900)
    assert [d.heat for d in others] == [None, None]
    text = gateway_toml(found.values, devices, NONE)
    known, again = known_answers(text)
    assert known["heat_power"] == "3.5 kW"
    assert (known["heat_litres"], known["heat_ready"]) == ("300", "06:30 18:00")
    assert gateway_toml(read(known, questions(), {"heater"}).values, again, NONE, text) == text
    assert "heat_power" not in {q.key for q in read(ANSWERS, questions()).asked}


def test_a_plug_and_a_heat_pump_on_relays_want_energy_and_are_on_or_off() -> None:
    devices = (
        ChosenDevice("boiler", "shelly-plug", "10.0.0.7", 80),
        ChosenDevice("pump", "shelly-sg-ready", "10.0.0.8", 80),
        *DEVICES,
    )
    answers = ANSWERS | {"heat_power": "2 kW", "heat_ready": "6:30"}
    assert set(read(answers | {"heat_energy": "0"}, questions(), {"plug"}).faults) == {
        "heat_energy"
    }
    found = read(answers | {"heat_energy": "3 kWh"}, questions(), {"plug"})
    assert found.faults == {}
    boiler, pump, *_ = settings_of(text := gateway_toml(found.values, devices, NONE)).device
    for one in (boiler.heat, pump.heat):
        assert one is not None
        assert (one.power_w, one.step_w, one.energy_wh, one.litres) == (2000, 2000, 3000, None)
    assert boiler.heat is not None
    assert pump.heat is not None
    assert (boiler.heat.min_on_s, pump.heat.min_on_s) == (60, 900), "a compressor is not switched so soon"  # fmt: skip
    known, again = known_answers(text)
    assert (known["heat_power"], known["heat_energy"], known["heat_ready"]) == ("2 kW", "3 kWh", "06:30")  # fmt: skip
    assert gateway_toml(read(known, questions(), {"plug"}).values, again, NONE, text) == text


def test_a_tariff_by_time_of_day_and_one_that_is_published() -> None:
    hours = settings_of(
        written(
            ANSWERS
            | {"tariff": "time_of_use", "windows": "22:00-06:00 0.12\n17:00-20:00 0.41 mon-fri"}
        )
    )
    assert isinstance(hours.tariff.import_price, TimeOfUsePrice)
    assert [p.days for p in hours.tariff.import_price.periods] == [
        (),
        ("mon", "tue", "wed", "thu", "fri"),
    ]
    market = settings_of(
        written(ANSWERS | {"tariff": "published", "zone": "DE-LU", "adder": "0.18", "tax": "19"})
    )
    assert isinstance(market.tariff.import_price, PublishedPrice)
    assert (market.price_feed[0].provider, market.price_feed[0].zone) == ("energy-charts", "DE-LU")


def test_what_its_owner_wrote_stays() -> None:
    own = '# of 2024, by me\n[site]\nname = "villa"  # not home\nunbalance_a = 16\n\n[[device]]\nname = "solar"\nprofile = "fronius-gen24"\nhost = "10.0.0.4"\nsteer = "never"  # until June\n\n[control]\nperiod_s = 5\n'
    known, devices = known_answers(own)
    assert known["name"] == "villa"
    text = gateway_toml(
        read(ANSWERS | {"name": "villa"}, questions("UTC", known)).values,
        [*devices, DEVICES[1]],
        Secrets(),
        own,
    )
    for line in own.splitlines():
        assert line in text.splitlines()
    settings = settings_of(text)
    assert [d.name for d in settings.device] == ["solar", "meter"]
    assert (settings.device[0].steer, settings.control.period_s, settings.site.unbalance_a) == (
        "never",
        5,
        16,
    )


def test_what_is_not_asked_is_not_taken_away() -> None:
    first = written(ANSWERS)
    without = read(ANSWERS, questions(), has=())
    assert not {"battery_capacity", "car_energy"} & set(without.values)
    again = settings_of(gateway_toml(without.values, DEVICES, Secrets(), first))
    assert again.battery.capacity_wh == 13500


def test_nothing_changes_where_the_answers_are_those_of_the_file() -> None:
    for more in (
        {},
        {"tariff": "time_of_use", "windows": "22:00-06:00 0.12"},
        {"tariff": "published", "zone": "NL"},
    ):
        first = written(ANSWERS | more | {"place": "52.5 13.4"})
        known, devices = known_answers(first)
        assert (
            gateway_toml(read({}, questions("UTC", known)).values, devices, Secrets(), first)
            == first
        )


def test_a_price_that_is_changed_does_not_hold_since_the_former_one_did() -> None:
    """`since` bills days that are over anew; a new price from today on is not meant by it."""
    first = written(ANSWERS | {"import_price": "0.29"})
    mended = first.replace("[tariff]", "[tariff]\nsince = 2026-11-01", 1)
    assert "since = 2026-11-01" in mended
    known, devices = known_answers(mended)
    same = read({}, questions("UTC", known)).values
    assert gateway_toml(same, devices, Secrets(), mended) == mended
    dearer = read({"import_price": "0.31"}, questions("UTC", known)).values
    text = gateway_toml(dearer, devices, Secrets(), mended)
    assert "since" not in text
    assert str(settings_of(text).tariff.import_price) != str(settings_of(first).tariff.import_price)


def test_a_broken_file_is_said() -> None:
    with pytest.raises(ConfigError, match="not valid TOML"):
        known_answers("[site")


TEXTS = st.fixed_dictionaries(
    {},
    optional={
        q.key: st.text(max_size=20) | st.sampled_from([q.default, "5", "0.2"]) for q in QUESTIONS
    },
)


@given(TEXTS)
def test_answers_that_are_taken_make_a_file_that_is_right(answers: dict[str, str]) -> None:
    make(answers)


def make(answers: dict[str, str]) -> None:
    """The file's settings, if all answers are taken; raises ConfigError if they were wrongly."""
    found = read(
        {"import_price": "0.2", "zone": "NL", "windows": "1:00-2:00 0.1"} | answers, questions()
    )
    if not found.faults:
        settings_of(gateway_toml(found.values, DEVICES, Secrets()))


@pytest.mark.parametrize("key", [q.key for q in QUESTIONS])
@settings(max_examples=60, deadline=None)
@given(answer=st.text("0123456789.,kKwWhHaA -x%:;/", max_size=6))
def test_each_answer_that_is_taken_is_one_that_the_file_may_have(key: str, answer: str) -> None:
    """The set-up refuses what the configuration would: at once, and where it was asked."""
    make({key: answer})
