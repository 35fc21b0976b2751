"""What is no error in a sheet and yet worth a second look. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.devices.sheets.control_format import Control
from gateway.devices.sheets.format import Reading, Sheet


def hints(sheet: Sheet) -> Iterator[str]:
    """A sentence for each."""
    if not sheet.sources and not sheet.sunspec and not sheet.controls:
        yield "sources: nobody is named who publishes what is read"
    if sheet.identify and all(match.match == "." for match in sheet.identify):
        yield "identify: ranges only; a type code or the form of a serial number tells families apart better"
    if not _is_bounded(sheet, sheet.readings.get("battery_soc_pct")):
        yield "readings.battery_soc_pct: no valid = [0, 100]; whatever stands there would be believed"
    for name, control in sheet.controls.items():
        yield from _of_control(name, control)


def _of_control(name: str, control: Control) -> Iterator[str]:
    if control.lease.kind == "none" and not control.restore:
        yield f"controls.{name}: no dead-man and nothing in `restore`: after a crash only `neutral` is written"
    if control.is_neutral is None and control.on_foreign_setpoint == "clear":
        yield f"controls.{name}: no is_neutral: a release cannot be seen, nor another controller"


def _is_bounded(sheet: Sheet, reading: str | Reading | None) -> bool:
    """Whether a reading has a valid range on its way; one that is not there has none to miss."""
    if isinstance(reading, str):
        register = sheet.registers.get(reading)
        if register is not None:
            return register.valid is not None
        return _is_bounded(sheet, sheet.values.get(reading))
    if reading is None or reading.valid is not None:
        return True
    return bool(parts := _parts(reading)) and all(_is_bounded(sheet, part) for part in parts)


def _parts(reading: Reading) -> Sequence[str]:
    """The names that a reading is made of."""
    some = [reading.of, *(case.of for case in reading.cases)]
    names = [name for of in some if of for name in ([of] if isinstance(of, str) else of)]
    return [name.removeprefix("-") for name in names]
