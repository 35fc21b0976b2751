"""Verify the devices of a configuration, one control after the other, and sign what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from gateway import __version__
from gateway.clock import Clock
from gateway.config.guard import GuardSettings
from gateway.devices.build import build_devices
from gateway.devices.device import ModbusDevice
from gateway.domain.control import Control
from gateway.domain.sentences import joined
from gateway.errors import ConfigError
from gateway.guard.intents import GuardFile
from gateway.guard.proofs import VERSION, Proof, ProofFolder
from gateway.verify.dimmed import OperatorSigns
from gateway.verify.run import Bench, released, verify
from gateway.verify.walk import Limits, NotNow

ORDER = (
    Control.BATTERY_POWER,
    Control.PV_LIMIT,
    Control.EXPORT_LIMIT,
    Control.CHARGE_CURRENT,
    Control.CHARGE_PHASES,
    Control.HEAT_POWER,
    Control.SG_READY,
)
PERIOD_S = 2.0


@dataclass(frozen=True, slots=True)
class Asked:
    """Which devices (empty: all that is not proved yet). ``without_meter``: where no meter sees it, a device's own
    word is enough for its owner."""

    names: Collection[str] = ()
    without_meter: bool = False


async def verify_home(
    settings: GuardSettings,
    asked: Asked,
    clock: Clock,
    file: GuardFile,
    proofs: ProofFolder,
    told: Callable[[str], object],
) -> bool:
    """Verify what ``asked`` names; whether all of it is proved now.

    ``file`` is the guard's memory of what it must put back, ``proofs`` takes the logs. Raises ConfigError for a
    name that is none.
    """
    wanted = _wanted(settings, asked.names)
    configs = [
        replace(d, steer="always" if d.name in wanted else "never") for d in settings.devices
    ]
    devices = build_devices(configs, file, clock)
    standing = settings.standing()
    limits = Limits(settings.import_limit_w, settings.export_limit_w, standing.reserve_pct)
    bench = Bench(
        devices,
        clock,
        PERIOD_S,
        limits,
        settings.charger,
        settings.roles(),
        heaters=settings.heaters,
    )
    bench.own_word = asked.without_meter
    if settings.operator is not None:
        relays = {d.name: d.inputs for d in settings.devices if d.inputs}
        bench.operator = OperatorSigns(relays, file.operator)
    whole = True
    try:
        await bench.look()
        for device in (d for d in devices if d.name in wanted):
            whole = await _device(bench, device, bool(asked.names), proofs, told) and whole
    finally:
        for device in devices:
            report = await released(device) if device.name in wanted and device.controls else None
            if report is not None and not report.neutral:
                told(f"{device.name} may not be neutral: {joined(report.problems)}")
            await device.close()
    return whole


def _wanted(settings: GuardSettings, names: Collection[str]) -> Collection[str]:
    known = {d.name: d for d in settings.devices}
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no device {name!r}; there are {', '.join(known)}")
        if not known[name].control:
            raise ConfigError(f'{name} has steer = "never": it is not written to')
    return names or {d.name for d in settings.devices if d.control}


async def _device(
    bench: Bench,
    device: ModbusDevice,
    again: bool,
    proofs: ProofFolder,
    told: Callable[[str], object],
) -> bool:
    who = device.fingerprint
    offered: Sequence[Control] = [c for c in ORDER if c in device.controls]
    if not device.identified:
        told(f"{device.name}: it does not answer")
        return False
    if not offered:
        told(f"{device.name}: there is nothing to steer")
    whole = True
    for control in offered:
        if not again and proofs.missing(who, control) is None:
            told(f"{device.name}: {control.value} is proved already")
            continue
        whole = await _control(bench, device, control, proofs, told) and whole
    return whole


async def _control(
    bench: Bench,
    device: ModbusDevice,
    control: Control,
    proofs: ProofFolder,
    told: Callable[[str], object],
) -> bool:
    who = device.fingerprint
    about = " ".join(
        word
        for word in (
            who.manufacturer,
            who.model,
            who.serial and f"serial {who.serial}",
            who.firmware and f"firmware {who.firmware}",
        )
        if word
    )
    told(f"{device.name}: {control.value} of {about or who.place}")
    began = bench.clock.now()
    try:
        outcome = await verify(bench, device, control, told)
    except NotNow as error:
        told(f"  not now: {error}")
        return False
    proof = Proof(
        VERSION,
        device.name,
        who,
        control,
        began,
        __version__,
        outcome.problem,
        outcome.steps,
        outcome.own_word,
    )
    path = proofs.store(proof)
    if outcome.problem:
        told(f"  FAILED, and let go: {outcome.problem}; log: {path}")
    else:
        word = (
            "it says that it obeys (its own word, no meter saw it)"
            if outcome.own_word
            else "it obeys"
        )
        told(f"  {word}, and is let go; log: {path}")
    return not outcome.problem
