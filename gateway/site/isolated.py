"""A device whose faults stay its own: what nobody expected of it is a loss of it, not of the home."""

from __future__ import annotations

import logging
from collections.abc import Collection

from gateway.devices import Device, ReleaseReport
from gateway.devices.proof import Note
from gateway.domain.control import Control
from gateway.domain.readings import Reading
from gateway.domain.sentences import Sentence, other, reason_of, sentence
from gateway.errors import DeviceError, GatewayError

log = logging.getLogger(__name__)


class IsolatedDevice:
    """``device`` as it is, but that any other error than the project's own becomes a DeviceError.

    It is a fault of the program, so it is logged with its trace; once for each kind.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.name = device.name
        self._said: set[str] = set()

    @property
    def made_by(self) -> tuple[str, str]:
        return self._device.made_by

    @property
    def versions(self) -> tuple[str, str]:
        return self._device.versions

    @property
    def controls(self) -> frozenset[Control]:
        return self._device.controls

    @property
    def notes(self) -> tuple[Note, ...]:
        return self._device.notes

    @property
    def sleeps_at_night(self) -> bool:
        return self._device.sleeps_at_night

    def lets_go_after_s(self, control: Control) -> float | None:
        return self._device.lets_go_after_s(control)

    async def poll(self) -> tuple[Reading, ...]:
        try:
            return await self._device.poll()
        except GatewayError:
            raise
        except Exception as error:
            raise self._lost(error) from error

    async def hold(self, control: Control, value: float) -> None:
        try:
            await self._device.hold(control, value)
        except GatewayError:
            raise
        except Exception as error:
            raise self._lost(error) from error

    async def release(self, controls: Collection[Control] = ()) -> ReleaseReport:
        try:
            return await self._device.release(controls)
        except GatewayError as error:
            return ReleaseReport(self.name, neutral=False, problems=(reason_of(error),))
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are released
            return ReleaseReport(self.name, neutral=False, problems=(reason_of(self._lost(error)),))

    async def steered_by_another(self) -> Sentence | None:
        try:
            return await self._device.steered_by_another()
        except GatewayError:
            raise
        except Exception as error:
            raise self._lost(error) from error

    async def close(self) -> None:
        await self._device.close()

    def _lost(self, error: Exception) -> DeviceError:
        what = f"{type(error).__name__}: {error}"
        if type(error).__name__ not in self._said:
            self._said.add(type(error).__name__)
            log.error("%s: a fault of the program, please report it", self.name, exc_info=error)
        return DeviceError(sentence("lost.bug", self.name, what=other(what)))
