"""Build the bridge from the configuration and run it until it is cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from gateway.bridge.dialled import DialledIn, dialled_in
from gateway.bridge.layout import registers
from gateway.bridge.load import ages, asked_of, sheet
from gateway.bridge.modbus_server import Image, ModbusServer, Take
from gateway.bridge.reader import ask_for_ever, listen_for_ever
from gateway.bridge.relays import relays_of, switch_for_ever
from gateway.bridge.store import Values
from gateway.clock import Clock, pause
from gateway.config.agent_settings import Mqtt
from gateway.config.device_settings import OCPP, DeviceSettings
from gateway.config.home_settings import Ocpp

log = logging.getLogger(__name__)


class Bridge:
    """The devices that have no Modbus, and the server by which the guard reads them.

    ``devices`` in the order of the configuration: the first is unit 1. ``name`` is its own at the broker: two of
    one name would throw each other out. Raises ConfigError.
    """

    def __init__(
        self,
        devices: Sequence[DeviceSettings],
        broker: Mqtt,
        clock: Clock,
        name: str = "energy-gateway-bridge",
        ocpp: Ocpp | None = None,
    ) -> None:
        for device in devices:
            asked_of(device)
        self._values = [Values(d.name, ages(d), clock) for d in devices]
        images: dict[int, Image] = {
            i: partial(_image, values) for i, values in enumerate(self._values, 1)
        }
        self._relays = {
            i: relays
            for i, (device, values) in enumerate(zip(devices, self._values, strict=True), 1)
            if (relays := relays_of(sheet(device.profile), values, clock)) is not None
        }
        images |= {i: relays.image for i, relays in self._relays.items()}
        takes: dict[int, Take] = {i: relays.take for i, relays in self._relays.items()}
        self.dialled: DialledIn | None = None
        if any(d.profile == OCPP for d in devices):
            self.dialled = dialled_in(ocpp or Ocpp(), devices, clock)
            images |= self.dialled.images
            takes |= self.dialled.takes
        self._devices, self._broker, self._clock = tuple(devices), broker, clock
        self._name = name
        self.server = ModbusServer(images, takes)

    async def run(self, port: int, listening: Callable[[int], object] = lambda _: None) -> None:
        """Until cancelled. ``listening`` is called with the port. Raises OSError where it is taken."""
        listening(await self.server.start(port))
        pairs = list(zip(self._devices, self._values, strict=True))
        told = [(d, v) for d, v in pairs if sheet(d.profile).transport == "mqtt"]
        try:
            async with asyncio.TaskGroup() as group:
                for device, values in pairs:
                    if sheet(device.profile).transport == "http":
                        work = ask_for_ever(device, values, self._clock)
                        self._clock.spawn(group, work, f"bridge {device.name}")
                for unit, relays in self._relays.items():
                    device = self._devices[unit - 1]
                    work = switch_for_ever(device, relays, self._clock)
                    self._clock.spawn(group, work, f"bridge switch {device.name}")
                if self.dialled is not None:
                    self._clock.spawn(group, self.dialled.run(), "bridge ocpp")
                if told:
                    work = listen_for_ever(told, self._broker, self._clock, self._name)
                    self._clock.spawn(group, work, "bridge broker")
        finally:
            await self.server.close()

    @asynccontextmanager
    async def running(self, clock: Clock, port: int = 0) -> AsyncIterator[int]:
        """While the block lasts; gives the port."""
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            task = clock.spawn(group, self.run(port, listening.set_result), "bridge")
            yield await listening
            task.cancel()

    async def heard(self, within_s: float) -> None:
        """Until every device has said something, or that many real seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                chargers = self.dialled.chargers if self.dialled else {}
                while not all(
                    chargers[v.name].heard if v.name in chargers else v.heard for v in self._values
                ):
                    await pause(0.02)


def _image(values: Values) -> bytes:
    return registers(values.name, values.known())
