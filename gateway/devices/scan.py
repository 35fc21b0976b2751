"""Find the devices behind an address: try the unit numbers that makers use, name what answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway.devices.build import all_profiles
from gateway.devices.identify import identify
from gateway.devices.profile import Identity, Profile
from gateway.errors import DeviceError
from gateway.modbus.link import BusAddress, Link, Pace

# 1 most; 126 SMA SunSpec; 200/240 Fronius meters, Alfen; 71 Kostal; 247 GoodWe, FoxESS;
# 255 KEBA; 100 Victron; 2, 3 SMA's own map; 0 Huawei behind a dongle
USUAL_UNITS = (1, 126, 200, 240, 71, 247, 255, 100, 2, 3, 0)
_IMPATIENT = Pace(timeout_s=1.0)


@dataclass(frozen=True, slots=True)
class Finding:
    """A device that answered: where, and which profile fits."""

    host: str
    port: int
    unit: int
    profile: Profile
    identity: Identity


async def scan(host: str, port: int, units: Sequence[int] = USUAL_UNITS) -> AsyncIterator[Finding]:
    """Every known device behind ``host``:``port``, one after the other; reads only.

    Raises DeviceError when nothing listens there. A device that answers to every unit number is
    reported once.
    """
    link = Link(BusAddress(host=host, port=port), _IMPATIENT)
    seen: set[tuple[str, Identity]] = set()
    try:
        for number in units:
            try:
                found = await identify(link.unit(number), all_profiles().values())
            except DeviceError as error:
                if "cannot connect" in str(error) and not seen:
                    raise
                continue
            if found is None or (found[0].key, found[1]) in seen:
                continue
            seen.add((found[0].key, found[1]))
            yield Finding(host, port, number, *found)
    finally:
        await link.close()


def as_toml(findings: Sequence[Finding]) -> str:
    """A ready gateway.toml for what was found."""
    head = '[site]\nname = "home"\ntime_zone = "UTC"    # e.g. "America/Chicago"\n\n'
    return head + devices_toml(findings)


def devices_toml(findings: Sequence[Finding]) -> str:
    """The device tables of a gateway.toml."""
    lines: list[str] = []
    counts: dict[str, int] = {}
    for f in findings:
        kind = "inverter" if f.profile.kind in ("hybrid", "any") else f.profile.kind
        counts[kind] = counts.get(kind, 0) + 1
        name = kind if counts[kind] == 1 else f"{kind}-{counts[kind]}"
        says = " ".join(t for t in (f.identity.manufacturer, f.identity.model) if t)
        lines += [
            f"[[device]]    # {says}" if says else "[[device]]",
            f'name = "{name}"',
            f'profile = "{f.profile.key}"',
            f'host = "{f.host}"',
            *([f"port = {f.port}"] if f.port != 502 else []),
            f"unit = {f.unit}",
            "",
        ]
    return "\n".join(lines)
