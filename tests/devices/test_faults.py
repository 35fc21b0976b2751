"""A site with one sick device: nothing wrong is ever read, and the others do not notice."""

from __future__ import annotations

import itertools
import logging
import random
from contextlib import suppress

import pytest

from gateway.config.guard import DeviceConfig
from gateway.devices.build import build_devices, bus_of
from gateway.devices.catalogue import profile
from gateway.devices.device import ModbusDevice
from gateway.domain.readings import Reading
from gateway.domain.sentences import reason_of
from gateway.errors import ConfigError, DeviceError
from tests.devices.conftest import HandClock, Intents, device, impatient, values
from tests.devices.sunspec_images import hybrid
from tests.modbus.faults import FAULTS, exception, silent
from tests.modbus.server import Fault, RegisterServer, serving

EXCEPTIONS = [exception(code) for code in (1, 2, 3, 4, 5, 6, 10, 11)]


@pytest.mark.parametrize("seed", range(200))
async def test_seeded_faults_give_no_wrong_value_and_leave_the_others_alone(
    seed: int, clock: HandClock, intents: Intents
) -> None:
    rng = random.Random(seed)
    faults = [*FAULTS.values(), *EXCEPTIONS]
    units = hybrid()
    async with serving(RegisterServer(units)) as sick, serving(RegisterServer(units)) as well:
        ill = impatient(sick, "fronius-gen24", clock, intents, "ill", 0.06)
        good = impatient(well, "fronius-gen24", clock, intents, "good")
        truth = values(await good.poll())
        with suppress(DeviceError):
            await ill.poll()
        for _ in range(6):
            clock.seconds += 2
            sick.faults = [rng.choice([None, None, *rng.sample(faults, 1)]) for _ in range(4)]
            with suppress(DeviceError):
                got = values(await ill.poll())
                assert all(v in (None, truth[m]) for m, v in got.items())  # bad, or right
            assert values(await good.poll()) == {m: truth[m] for m in got_metrics(truth)}
        sick.faults = []
        clock.seconds += 120  # more than one step of any backoff
        got = values(await recovered(ill, clock))
        assert got == {m: truth[m] for m in got}
        await ill.close()
        await good.close()


async def recovered(device: ModbusDevice, clock: HandClock) -> tuple[Reading, ...]:
    """The first poll that works: the next one, but for a machine too busy for the timeout."""
    for _ in range(5):
        with suppress(DeviceError):
            return await device.poll()
        clock.seconds += 120
    return await device.poll()


def got_metrics(truth: dict[str, float | str | None]) -> list[str]:
    """All but what is read only once a minute."""
    slow = {
        "battery_capacity_wh",
        "battery_max_charge_w",
        "battery_max_discharge_w",
        "pv_limit_pct",
    }
    return [m for m in truth if m not in slow]


async def test_a_dead_device_costs_one_timeout_a_poll_and_then_nothing(
    clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer(hybrid())) as server:
        one = impatient(server, "fronius-gen24", clock, intents, timeout_s=0.5)
        await one.poll()
        silence: list[Fault | None] = [silent] * 1000
        server.faults = silence
        asked = [len(server.reads)]
        for _ in range(20):
            clock.seconds += 0.5
            with pytest.raises(DeviceError) as lost:
                await one.poll()
            assert "lost.silent" in codes(lost.value), "also while it is not tried"
            asked.append(len(server.reads))
        steps = [b - a for a, b in itertools.pairwise(asked)]
        assert steps[:2] == [2, 1]  # one more try within the poll, then the rest is skipped
        assert sum(steps) <= 7
        server.faults = []
        clock.seconds += 60
        assert values(await one.poll())["battery_power_w"] == -8240
        await one.close()


def codes(error: Exception) -> set[str]:
    """What it is about, for programs."""
    return {part.code for part in reason_of(error).within()}


@pytest.mark.parametrize(
    ("code", "about"), [(2, "lost.refused"), (10, "lost.no_path"), (11, "lost.no_path")]
)
async def test_who_refuses_is_told_apart(
    clock: HandClock, intents: Intents, code: int, about: str
) -> None:
    async with serving(RegisterServer(hybrid())) as server:
        one = impatient(server, "fronius-gen24", clock, intents, timeout_s=5.0)
        await one.poll()
        server.faults = [exception(code)] * 1000
        clock.seconds += 10
        with pytest.raises(DeviceError) as lost:
            await one.poll()
        assert about in codes(lost.value)
        assert reason_of(lost.value).who == "device"
        await one.close()


async def test_a_device_that_is_absent_at_the_start_comes_later(
    clock: HandClock, intents: Intents
) -> None:
    server = RegisterServer(hybrid())
    async with serving(server):
        pass  # a port where nobody listens any more
    one = impatient(server, "fronius-gen24", clock, intents)
    with pytest.raises(DeviceError, match=r"^device: .*cannot connect$"):
        await one.poll()
    async with serving(server):
        assert values(await one.poll())["ac_power_w"] == 1914.5
        await one.close()


async def test_registers_that_moved_are_found_again_and_never_read_at_the_old_place(
    clock: HandClock, intents: Intents
) -> None:
    """The owner switches the inverter from one register layout to another while we read."""
    units = hybrid()
    async with serving(RegisterServer(units)) as server:
        one = impatient(server, "fronius-gen24", clock, intents)
        truth = values(await one.poll())
        old = units[1]
        moved = {a: w for a, w in old.items() if a < 40069}
        moved |= {40003: 66, 40069: 0x8000}
        moved |= {a + 1: w for a, w in old.items() if a >= 40069}
        units[1] = moved
        with pytest.raises(DeviceError):
            await one.poll()
        got = values(await one.poll())
        assert got == {m: truth[m] for m in got}
        await one.close()


async def test_value_and_scale_factor_come_in_one_request(
    clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer(hybrid())) as server:
        one = impatient(server, "fronius-gen24", clock, intents)
        await one.poll()
        server.reads.clear()
        await one.poll()
        spans = [(a, a + n) for _, _, a, n in server.reads]
        pairs = [(40083, 40084), (40093, 40095), (40274, 40257), (40371, 40385)]
        for value, scale in pairs:
            assert any(a <= min(value, scale) and max(value, scale) < b for a, b in spans)
        assert len(spans) <= 4
        await one.close()


async def test_two_units_behind_one_port_share_one_connection(
    clock: HandClock, intents: Intents
) -> None:
    async with serving(RegisterServer(hybrid(), one_client=True)) as server:
        entries = [
            DeviceConfig(
                name="inverter", profile="fronius-gen24", host="127.0.0.1", port=server.port
            ),
            DeviceConfig(
                name="meter", profile="sunspec-meter", host="127.0.0.1", port=server.port, unit=200
            ),
        ]
        devices = build_devices(entries, intents, clock)
        for one in devices:
            await one.poll()
        assert server.connections == 1
        for one in devices:
            await one.close()


def test_an_unknown_profile_is_one_clear_line() -> None:
    with pytest.raises(ConfigError, match="did you mean 'fronius-gen24'"):
        profile("fronius-gen42")


def test_mixed_framing_on_one_address_is_refused(clock: HandClock, intents: Intents) -> None:
    entries = [
        DeviceConfig(name="a", profile="auto", host="bus.lan"),
        DeviceConfig(name="b", profile="auto", host="bus.lan", framing="rtu_over_tcp", unit=2),
    ]
    assert bus_of(entries[0]) != bus_of(entries[1])
    with pytest.raises(ConfigError, match="same framing"):
        build_devices(entries, intents, clock)


async def test_a_counter_that_wakes_up_at_zero_or_runs_backwards_is_not_believed(
    clock: HandClock, intents: Intents, caplog: pytest.LogCaptureFixture
) -> None:
    units = hybrid()
    meter = units[200]
    high, low = meter[40115], meter[40116]
    async with serving(RegisterServer(units)) as server:
        one = device(server, "sunspec-meter", clock, intents)
        assert values(await one.poll())["grid_import_wh"] == 146240.0
        with caplog.at_level(logging.WARNING):
            for word in (0, 1):
                clock.seconds += 10
                meter[40115], meter[40116] = 0, word
                assert values(await one.poll())["grid_import_wh"] is None
        assert len(caplog.records) == 1
        meter[40115], meter[40116] = high, low + 1000
        clock.seconds += 10
        assert values(await one.poll())["grid_import_wh"] == 146241.0
        await one.close()


async def test_a_32_bit_counter_goes_on_over_its_wrap(clock: HandClock, intents: Intents) -> None:
    units = hybrid()
    meter = units[200]
    meter[40115], meter[40116] = 0xFFFF, 0xF000
    async with serving(RegisterServer(units)) as server:
        one = device(server, "sunspec-meter", clock, intents)
        before = values(await one.poll())["grid_import_wh"]
        clock.seconds += 10
        meter[40115], meter[40116] = 0, 0x1000
        after = values(await one.poll())["grid_import_wh"]
        assert isinstance(before, float)
        assert isinstance(after, float)
        assert after - before == pytest.approx(0x2000 / 1000)
        await one.close()
