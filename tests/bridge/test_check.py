"""`energy-gateway check` reads what has no Modbus by a bridge of its own, and says where it cannot."""

from __future__ import annotations

from pathlib import Path

from gateway.checkup import checkup, faults
from gateway.config.load import load_settings
from tests.bridge.answers import ANSWERS
from tests.bridge.conftest import Device, answering


async def test_a_device_without_modbus_is_tried(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    device = Device(dict(ANSWERS["tesla-wall-connector"].replies))
    async with answering(device) as port:
        text = (
            f'state_dir = "{tmp_path}"\n[[device]]\nname = "car"\nprofile = "tesla-wall-connector"\n'
            f'host = "127.0.0.1"\nport = {port}\n'
        )
        config.write_text(text, encoding="utf-8")
        settings = load_settings(config)
        assert not faults(config, text, settings)
        said = [f async for f in checkup(config, text, settings)]
    first = next(f for f in said if f.what == "car")
    assert first.good
    assert "charger_power_w" in first.says or "7330" in first.says


def test_values_that_cannot_be_meant_are_faults_with_their_line(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    text = (
        '[[device]]\nname = "meter"\nprofile = "http-json"\nhost = "meter.lan"\n'
        'values = { grid_power_w = "/a#b kWh" }\n'
    )
    config.write_text(text, encoding="utf-8")
    (said,) = faults(config, text, load_settings(config))
    assert ":3: " in said
    assert "kWh" in said
