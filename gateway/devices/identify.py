"""Which profile fits the device that answers: by SunSpec first, then by what vendor maps reveal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gateway.devices.datasheet import Identity, Profile, Source, SunSpecSheet
from gateway.devices.sunspec.bind import bind
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.address import Table
from gateway.modbus.exceptions import STRANGE, SURE, Refused, Silent
from gateway.modbus.registers import Field, Missing, Value
from gateway.modbus.sunspec import discover
from gateway.modbus.unit import Unit

_SURE_ENOUGH = 3  # refusals in a row, of a device that seems steady
_GENERIC = ("sunspec-meter", "sunspec-hybrid", "sunspec-inverter")


async def bind_profile(unit: Unit, profile: Profile) -> Source:
    """The device's source by its profile; raises DeviceError where it is not what it should be."""
    if profile.refused:
        raise DeviceError(profile.refused)
    if profile.sunspec is None:
        if profile.source is None:
            raise DeviceError(f"profile {profile.key} has no registers")
        return profile.source
    found = await bind(unit, profile.sunspec)
    if profile.source is None:
        return found
    own = {o.metric for o in profile.source.outputs}
    kept = tuple(o for o in found.outputs if o.metric not in own)
    steered = {c.control for c in profile.source.controls}
    controls = tuple(c for c in found.controls if c.control not in steered)
    return Source(
        kept + profile.source.outputs,
        controls + profile.source.controls,
        found.identity,
        found.anchors,
    )


async def identify(
    unit: Unit, profiles: Iterable[Profile], patient: bool = False
) -> tuple[Profile, Identity] | None:
    """The best profile for the unit, or None if it answers but is none that we know.

    Only reads. Raises DeviceError when nobody answers. Some devices keep silent where others say
    that they have no such register: the ``patient`` then try what usually stands at this unit.
    """
    only: int | None = None
    try:
        if await discover(unit) is not None:
            source = await bind(unit, SunSpecSheet(battery_control=True, pv_limit=True))
            return await _by_models(unit, source, profiles), source.identity
    except Silent:
        if not patient:
            raise
        only = unit.number
    questions = Questions(unit)
    found = await _by_map(questions, _candidates(profiles, only), patient)
    if found is None and questions.unsteady:  # then what was refused may well be there
        found = await _by_map(questions, _candidates(profiles, only), patient)
    return found


def _candidates(profiles: Iterable[Profile], only: int | None) -> Iterator[Profile]:
    """Those that registers of their own can tell; of the unit number ``only`` if it is given."""
    for profile in profiles:
        told = profile.key != "auto" and profile.identify and not profile.maker
        if told and only in (None, profile.communication.unit):
            yield profile


class Questions:
    """What was asked of a unit: each question once for all profiles.

    A refusal counts when it comes three times in a row; on a line where one was followed by an answer, when
    it comes as often as always (`Unit.read_if_there`). There are some sixty questions, and a slow device takes its time.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit, self.unsteady = unit, False
        self._answers: dict[tuple[Table, int, int], bytes | None] = {}

    async def value(self, field: Field) -> Value:
        """The field as the device has it, absent where it refuses it."""
        first, end = field.span
        asked = (field.table, first, end - first)
        if asked not in self._answers:
            self._answers[asked] = await self._ask(*asked)
        data = self._answers[asked]
        return Missing.ABSENT if data is None else field.decode(data, first)

    async def _ask(self, table: Table, first: int, count: int) -> bytes | None:
        tries = 0
        while tries < (SURE if self.unsteady else _SURE_ENOUGH):
            tries += 1
            try:
                data = await self.unit.read(table, first, count)
            except Refused as refusal:
                if refusal.code not in STRANGE:
                    raise
                continue
            if tries > 1 and not self.unsteady:
                self.unsteady = True
                self._answers = {k: v for k, v in self._answers.items() if v is not None}
            return data
        return None


async def _by_map(
    questions: Questions, candidates: Iterable[Profile], patient: bool
) -> tuple[Profile, Identity] | None:
    """The first profile whose registers say that they are those; Silent if none ever answered."""
    answered, silence = False, None
    for profile in candidates:
        try:
            match = await _matches(questions, profile)
        except Silent as error:
            if not patient:
                raise
            silence = error
            continue
        answered = True
        if match is not None:
            return profile, match
    if silence and not answered:
        raise silence
    return None


async def _by_models(unit: Unit, source: Source, candidates: Iterable[Profile]) -> Profile:
    """The maker's own profile, else the generic one for what the chain implements."""
    by_key = {p.key: p for p in candidates if p.maker or p.key in _GENERIC}
    says = f"{source.identity.manufacturer} {source.identity.model}"
    metrics = {o.metric for o in source.outputs}
    if "ac_power_w" not in metrics:
        return by_key["sunspec-meter"]
    steerable = any(c.control is Control.BATTERY_POWER for c in source.controls)
    for profile in by_key.values():
        if not profile.maker or not re.search(profile.maker, says, re.IGNORECASE):
            continue
        if profile.identify:
            if await _matches(Questions(unit), profile) is not None:
                return profile
        elif Control.BATTERY_POWER not in profile.controls or "battery_soc_pct" in metrics:
            return profile
    return by_key["sunspec-hybrid" if steerable else "sunspec-inverter"]


async def _matches(questions: Questions, profile: Profile) -> Identity | None:
    for field, pattern in profile.identify:
        value = await questions.value(field)
        if isinstance(value, Missing) or not re.search(pattern, str(value)):
            return None
    return await told_identity(questions.unit, profile)


async def told_identity(unit: Unit, profile: Profile) -> Identity:
    """What the device says of itself by the profile's own registers."""
    told: dict[str, str] = {}
    for what, field in profile.says:
        first, end = field.span
        data = await unit.read_if_there(field.table, first, end - first, STRANGE)
        value = Missing.ABSENT if data is None else field.decode(data, first)
        if not isinstance(value, Missing):
            told[what] = str(value)
    maker = profile.title.split(" ", 1)[0]
    model = told.get("model") or profile.title.removeprefix(f"{maker} ")
    return Identity(maker, model, told.get("version", ""), told.get("serial", ""))
