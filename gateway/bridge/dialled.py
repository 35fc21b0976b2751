"""The chargers that dial in, as units of the bridge's Modbus server. The library for OCPP is loaded only where there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gateway.bridge.modbus_server import Image, Take
from gateway.clock import Clock
from gateway.config.device_settings import OCPP, DeviceSettings
from gateway.config.home_settings import Ocpp
from gateway.config.secrets import credential
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from gateway.bridge.ocpp.charger import Charger
    from gateway.bridge.ocpp.server import Csms, Station


@dataclass(frozen=True, slots=True)
class DialledIn:
    """All of them: their registers by unit, and where they dial in."""

    images: dict[int, Image]
    takes: dict[int, Take]
    chargers: Mapping[str, Charger]
    csms: Csms

    async def run(self) -> None:
        await self.csms.run()


def dialled_in(settings: Ocpp, devices: Sequence[DeviceSettings], clock: Clock) -> DialledIn:
    """Raises ConfigError: the extra is not installed, a password is missing, a certificate cannot be used."""
    if find_spec("ocpp") is None:
        raise ConfigError(
            "profile = 'ocpp' needs a library: pip install 'home-energy-gateway[ocpp]' into the gateway's environment"
        )
    from gateway.bridge.ocpp.registers import image, take  # noqa: PLC0415 - an extra
    from gateway.bridge.ocpp.server import Csms  # noqa: PLC0415

    stations = {
        unit: _station(device, clock)
        for unit, device in enumerate(devices, 1)
        if device.profile == OCPP
    }
    chargers = {unit: s.charger for unit, s in stations.items()}
    return DialledIn(
        {unit: partial(image, charger) for unit, charger in chargers.items()},
        {unit: partial(take, charger) for unit, charger in chargers.items()},
        {charger.name: charger for charger in chargers.values()},
        Csms(settings, tuple(stations.values()), clock),
    )


def _station(device: DeviceSettings, clock: Clock) -> Station:
    from gateway.bridge.ocpp.charger import Charger  # noqa: PLC0415
    from gateway.bridge.ocpp.server import Station  # noqa: PLC0415

    told = device.station
    where = f"device {device.name!r}: ocpp"
    password = credential(f"device_{device.name}", told.password_file, f"{where}.password_file")
    if password is None and not told.without_password:
        raise ConfigError(
            f"{where}: its password is missing (password_file, or systemd credential device_{device.name}); "
            "without_password = true lets it in without"
        )
    theirs = told.backend_password_file
    backend_password = password
    if theirs is not None:
        backend_password = credential("", theirs, f"{where}.backend_password_file")
    charger = Charger(device.name, clock, told.safe_current_a, told.id_tags, told.start)
    return Station(charger, told.station or device.name, password, told.backend, backend_password)
