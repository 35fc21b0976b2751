"""The SunSpec images decoded by an independent codec: every model has its length and its values."""

from __future__ import annotations

import pytest
import sunspec2.device

from simulators.devices.serve import Choice, serve_home
from simulators.physics.home import Home
from simulators.scenario import Scenario
from tests.simulators.conftest import START, HandClock, RawClient

sunspec2.device.set_model_defs_path([sunspec2.device.models_dir])


async def decoded(client: RawClient, unit: int) -> list[sunspec2.device.Model]:
    models: list[sunspec2.device.Model] = []
    address = 40002
    while True:
        number, length = await client.read(unit, address, 2)
        if number == 0xFFFF:
            return models
        raw = b""
        for start in range(0, length + 2, 120):
            count = min(120, length + 2 - start)
            registers = await client.read(unit, address + start, count)
            raw += b"".join(register.to_bytes(2, "big") for register in registers)
        models.append(sunspec2.device.Model(number, model_addr=address, model_len=length, data=raw))
        address += length + 2


@pytest.mark.parametrize("hour", [3, 12, 19])
@pytest.mark.parametrize(
    ("family", "unit"),
    [
        ("fronius", 1),
        ("fronius", 200),
        ("fronius-float", 1),
        ("fronius-float", 200),
        ("sunspec-der", 1),
        ("solaredge", 1),
    ],
)
async def test_every_model_decodes(clock: HandClock, family: str, unit: int, hour: int) -> None:
    clock.time = START.replace(hour=(5 + hour) % 24)
    home = Home(clock, Scenario(clock.time, seed=2))
    servers = await serve_home(home, choice=Choice(inverter=family))
    client = await RawClient.connect(servers.ports.inverter)
    clock.forward(600)
    powers = home.powers()
    models = await decoded(client, unit)
    assert not any(model.error_info for model in models)
    by_number = {model.model_id: model for model in models}
    for number in (103, 113, 701):
        if number in by_number:
            assert by_number[number].W.cvalue == pytest.approx(powers.inverter_ac, abs=0.6)
            assert by_number[number].Hz.cvalue == pytest.approx(60, abs=0.1)
    for number in (203, 213):
        if number in by_number:
            sign = -1 if family == "solaredge" else 1
            assert by_number[number].W.cvalue == pytest.approx(sign * powers.grid, abs=0.6)
            assert by_number[number].TotWhImp.cvalue > 6_000_000
    if 160 in by_number:
        module = {m.IDStr.value: m.DCW.cvalue for m in by_number[160].module}
        battery = module["StDisCha 4"] - module["StCha 3"]
        assert battery == pytest.approx(powers.battery, abs=0.6)
    if 714 in by_number:
        assert by_number[714].Prt[2].DCW.cvalue == pytest.approx(powers.battery, abs=0.6)
    await client.close()
    await servers.close()
