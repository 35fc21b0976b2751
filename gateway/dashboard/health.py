"""The home's health for a person: what is wrong, since when, and what to try. Pure.

What to do is found by the code of an alarm or of a device's fault; `docs/operations.md` has the same with more room.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from gateway.dashboard.spoken import spoken
from gateway.dashboard.view import HomeView
from gateway.domain.intervals import iso
from gateway.domain.readings import DeviceState
from gateway.domain.sentences import Sentence
from gateway.languages.sentences import alarm_code

_SHOWN_EVENTS = 50
# What an alarm is about (`gateway.domain.templates`) -> what to do about it.
TODO: Mapping[str, str] = {
    "limit_not_kept": "Look at what else feeds in or draws, and whether the inverter obeys: stop the gateway and run energy-gateway verify.",
    "off_grid": "Nothing: a minute after the grid's return all is as before.",
    "meter_stands_still": "Restart the meter, or what links it; its own display should change when the home does.",
    "meter_contradicts": "Compare the meter's own display with the page; after a firmware update ask its maker about the sign, or report the problem below.",
    "powers_contradict": "Look at the named device: is a current clamp the wrong way round, or was its firmware updated?",
    "battery_ignores": "Look at the battery's own app for a mode, schedule or fault that overrides it; if there is none, run energy-gateway verify.",
    "import_price_missing": "Write what a kWh from the grid costs into gateway.toml (energy-gateway setup asks for it), and start the gateway again.",
    "tariff_doubted": "Correct the price in gateway.toml as the sentence says, or accept it there.",
    "price_doubted": "Correct unit, rate or currency of the feed in gateway.toml, or accept its prices there.",
    "feed_late": "Usually it comes by itself. If it lasts, look at the feed's key, zone and address in gateway.toml.",
    "no_import_price": "Ask the exchange, if it lasts; until then an estimate is planned with and nothing is traded on it.",
    "trading_paused": "energy-gateway statement lists what is disputed: ask the exchange.",
    "journal_broken": "Keep the file, put a backup of the journal back with energy-gateway restore, and start again.",
    "journal_not_written": "Make room on the disk, or check the rights of the state folder; trading goes on by itself.",
    "operator_silent": "Look at the control box or the relay, and at its network.",
    "operator_limit": "Nothing: the grid operator limits the home, and it ends by itself.",
    "programme_limit": "Nothing: the programme limits the home, and it ends by itself.",
    "programme_refused": "Show the sentence to the programme's operator: what it asks for there is left out, all else is followed.",
    "programme_silent": "Usually it comes by itself. If it lasts, look at the programme's address and token in gateway.toml.",
    "not_proved": "Stop the gateway, run energy-gateway verify for this device, and start the gateway again.",
    "another_controller": "End one of the two: another program or app steers this device.",
}
ALARM_ELSE = "If it lasts, look it up in the operations manual, or report the problem below."
# Why a device is lost -> what to try; of several that stand in one sentence the first of these counts.
FAULTS: Mapping[str, str] = {
    "lost.anothers": "End one of the two: another program or app steers this device.",
    "lost.not_neutral": "It is not steered until it can be released: restart it, and look at its own settings once.",
    "lost.unreachable": "Is it switched on and in the network? Is Modbus TCP still enabled in its menu, and is its address still the same?",
    "lost.hangs_up": "Many devices serve one client only: end other programs that read it, and wait a minute.",
    "lost.silent": "It takes the connection and does not answer: is the unit number right? A restart of the device often helps.",
    "lost.no_path": "The box in between answers, the device behind it does not: look at its cable and unit number.",
    "lost.refused": "It refuses what it is asked: has its firmware changed? energy-gateway capture writes down what it says.",
    "lost.unknown": "Name its profile in gateway.toml; energy-gateway profiles lists them.",
}  # fmt: skip
FAULT_ELSE = "Restart it. If it stays away, energy-gateway scan shows what answers at its address."


def todo(alarm: Sentence) -> str:
    """What a person can do about an alarm."""
    return TODO.get(alarm_code(alarm), ALARM_ELSE)


def remedy(fault: Sentence | None) -> str:
    """What to try with a device that fails so."""
    codes = {part.code for part in fault.within()} if fault else set()
    return next((what for code, what in FAULTS.items() if code in codes), FAULT_ELSE)


def health(view: HomeView, *, can_report: bool) -> dict[str, Any]:
    """Alarms with what to do, each device with how well it answers, versions, the last events from the newest on.

    ``good`` of ``asked`` polls of the last hour were answered. ``can_report``: a report of a problem can be made.
    """
    devices = view.snapshot.devices.values() if view.snapshot else ()
    return {
        "time_zone": view.time_zone,
        "versions": {
            "gateway": view.version,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "alarms": [{**spoken(alarm), "todo": todo(alarm)} for alarm in view.notes],
        "devices": [_device(device, view) for device in devices],
        "events": [
            {
                "time": e.time,
                "kind": e.kind,
                "what": e.what,
                "text": e.text,
                "said": spoken(e.said) if e.said else None,
            }
            for e in view.events[:_SHOWN_EVENTS]
        ],
        "report": can_report,
    }


def _device(device: DeviceState, view: HomeView) -> dict[str, Any]:
    seen = max((r.time for r in device.readings.values()), default=None)
    good, asked = view.answered.get(device.name, (0, 0))
    lost = not device.online and not device.asleep
    maker, model = device.made_by
    firmware, sheet = device.versions
    return {
        "name": device.name,
        "model": " ".join(part for part in (maker, model) if part),
        "firmware": firmware,
        "sheet": sheet,
        "lost": lost,
        "asleep": device.asleep,
        "seen": iso(seen) if seen else None,
        "fault": spoken(device.fault) if lost and device.fault else None,
        "todo": remedy(device.fault) if lost else "",
        "good": good,
        "asked": asked,
    }
