"""Which profile fits the device that answers: by SunSpec first, then by what vendor maps reveal."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.devices.profile import Identity, Profile, Source, SunSpecSheet
from gateway.devices.sunspec import bind
from gateway.domain.control import Control
from gateway.errors import DeviceError
from gateway.modbus.link import Unit
from gateway.modbus.registers import Missing, Value
from gateway.modbus.sunspec import discover


async def bind_profile(unit: Unit, profile: Profile) -> Source:
    """The device's source by its profile; raises DeviceError where it is not what it should be."""
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


async def identify(unit: Unit, profiles: Iterable[Profile]) -> tuple[Profile, Identity] | None:
    """The best profile for the unit, or None if it answers but is none that we know.

    Only reads. Raises DeviceError when nobody answers.
    """
    candidates = [p for p in profiles if p.key != "auto"]
    if await discover(unit) is not None:
        source = await bind(unit, SunSpecSheet(battery_control=True, pv_limit=True))
        return await _by_models(unit, source, candidates), source.identity
    for profile in candidates:
        if not profile.identify or profile.maker:
            continue
        match = await _matches(unit, profile)
        if match is not None:
            return profile, match
    return None


async def _by_models(unit: Unit, source: Source, candidates: Iterable[Profile]) -> Profile:
    """The maker's own profile, else the generic one for what the chain implements."""
    by_key = {p.key: p for p in candidates}
    says = f"{source.identity.manufacturer} {source.identity.model}"
    metrics = {o.metric for o in source.outputs}
    if "ac_power_w" not in metrics:
        return by_key["sunspec-meter"]
    steerable = any(c.control is Control.BATTERY_POWER for c in source.controls)
    for profile in by_key.values():
        if not profile.maker or not re.search(profile.maker, says, re.IGNORECASE):
            continue
        if profile.identify:
            if await _matches(unit, profile) is not None:
                return profile
        elif Control.BATTERY_POWER not in profile.controls or "battery_soc_pct" in metrics:
            return profile
    return by_key["sunspec-hybrid" if steerable else "sunspec-inverter"]


async def _matches(unit: Unit, profile: Profile) -> Identity | None:
    texts: list[str] = []
    for field, pattern in profile.identify:
        first, end = field.span
        data = await unit.read_if_there(field.table, first, end - first)
        if data is None:
            return None
        value: Value = field.decode(data, first)
        if isinstance(value, Missing) or not re.search(pattern, str(value)):
            return None
        texts.append(str(value) if field.kind == "str" else "")
    maker = profile.title.split(" ", 1)[0]
    text = next((t for t in texts if t), "")
    if profile.identify_gives == "serial":
        return Identity(maker, profile.title.removeprefix(f"{maker} "), serial=text)
    return Identity(maker, text or profile.title.removeprefix(f"{maker} "))
