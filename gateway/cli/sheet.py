"""energy-gateway sheet check, test, find, new, schema: a device family as data, from a dump to a reading."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.devices.datasheet import Identity, Profile
    from gateway.devices.dump import Dump
    from gateway.domain.readings import Reading

_DumpFile = Annotated[Path, typer.Option("--capture", help="registers, as `capture` writes them")]
_Unit = Annotated[int | None, typer.Option(min=0, max=255, help="unit in the dump")]
_SAME = 1e-4  # of a value


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(help="Sheets: a device family as one TOML file.", no_args_is_help=True)
    for command in (check, find, new, schema):
        group.command()(command)
    group.command("test")(read_capture)
    app.add_typer(group, name="sheet")


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="the sheets")],
) -> None:
    """See whether sheets are right: each error with line and key, and what would be right.

    Example: energy-gateway sheet check acme-h1.toml
    """
    from gateway.devices.sheets.hints import hints
    from gateway.devices.sheets.load import load, sheet_of
    from gateway.errors import ConfigError

    wrong = False
    for file in files:
        try:
            profile = load(file)
            notes = list(hints(sheet_of(file.read_text(encoding="utf-8"), str(file))))
        except ConfigError as error:
            wrong = True
            typer.echo(f"error: {error}", err=True)
            continue
        print(f"{file}: {profile.key}, {profile.title}")
        for line in _what_it_does(profile):
            print(f"  {line}")
        for note in notes:
            print(f"  note: {note}")
    if wrong:
        raise typer.Exit(2)


def _what_it_does(profile: Profile) -> list[str]:
    metrics = [o.metric for o in profile.source.outputs] if profile.source else []
    lines = [f"reads {' '.join(metrics)}" if metrics else "reads what SunSpec shows"]
    for sheet in profile.source.controls if profile.source else ():
        told = "" if sheet.is_proved else "; NOT OFFERED, it has one source for"
        lonely = [str(address) for address, who in sheet.by_address if len(who) < 2]
        lines.append(f"steers {sheet.control.value}{told} {' '.join(lonely)}".rstrip())
    if not profile.identify and not profile.sunspec:
        lines.append("no `identify`: a scan does not find it")
    return lines


def read_capture(
    file: Annotated[Path, typer.Argument(help="the sheet")],
    capture: _DumpFile,
    unit: _Unit = None,
    expect: Annotated[
        list[str] | None, typer.Option(help="METRIC=VALUE as the device shows it; may be repeated")
    ] = None,
) -> None:
    """Read a dump by a sheet and show every reading beside what the dump says is right.

    Exit code 1 where one differs, none was read, or the registers are not those of the sheet's family.

    Example: energy-gateway sheet test acme-h1.toml --capture dump.json --expect battery_soc_pct=63.5
    """
    from gateway.devices.dump import read_dump
    from gateway.devices.sheets.load import load

    profile, dump = load(file), read_dump(capture)
    number = dump.only_unit(profile.communication.unit) if unit is None else unit
    identity, readings, why = asyncio.run(_read(profile, dump, number))
    expected = {**dump.readings.get(number, {}), **_expected(expect or [])}
    print(_told(profile, identity))
    if why:
        print(why)
    wrong = bool(profile.identify or profile.sunspec) and identity is None
    for reading in readings:
        line, right = _compared(reading, expected)
        wrong |= not right
        print(line)
    for metric in sorted(set(expected) - {r.metric for r in readings}):
        print(f"{metric:24} {'not read':>16}      expected {expected[metric]}")
        wrong = True
    good = any(r.value is not None for r in readings)
    if wrong or not good:
        raise typer.Exit(1)


def _expected(texts: list[str]) -> dict[str, float | str]:
    """METRIC=VALUE as metric and value; ConfigError for anything else."""
    from gateway.domain.metrics import METRICS
    from gateway.errors import ConfigError

    found: dict[str, float | str] = {}
    for text in texts:
        metric, _, value = text.partition("=")
        if metric not in METRICS or not value:
            raise ConfigError(f"--expect {text!r}: METRIC=VALUE, e.g. battery_soc_pct=63.5")
        try:
            found[metric] = float(value)
        except ValueError:
            found[metric] = value
    return found


def _told(profile: Profile, identity: Identity | None) -> str:
    if identity is None and not (profile.identify or profile.sunspec):
        return f"{profile.key}: no `identify`, so a scan does not find it"
    if identity is None:
        return "the registers are NOT those that `identify` (or `maker`) asks for"
    says = " ".join(t for t in (identity.model, identity.version, identity.serial) if t)
    return f"is {profile.key}: {says}"


async def _read(
    profile: Profile, dump: Dump, number: int
) -> tuple[Identity | None, tuple[Reading, ...], str]:
    """What it says it is, its readings, and why there are none."""
    from gateway.clock import WallClock
    from gateway.devices.device import ModbusDevice
    from gateway.devices.dump import DumpBus
    from gateway.devices.identify import identify
    from gateway.errors import DeviceError
    from gateway.modbus.unit import Unit

    unit = Unit(DumpBus(dump), number)
    found = None if profile.sunspec else await identify(unit, [profile])
    device = ModbusDevice(profile.key, profile, unit, None, WallClock())
    try:
        readings = await device.poll()
    except DeviceError as error:
        return found[1] if found else None, (), str(error)
    if profile.sunspec:
        return device.identity, readings, ""
    return found[1] if found else None, readings, ""


def _compared(reading: Reading, expected: object) -> tuple[str, bool]:
    """One line, and whether it is right as far as that is known."""
    shown = (
        "-"
        if reading.value is None
        else f"{reading.value:.10g}"
        if not isinstance(reading.value, str)
        else reading.value
    )
    line = f"{reading.metric:24} {shown:>16} {reading.unit:3} {reading.quality.value:6}"
    if not isinstance(expected, dict) or reading.metric not in expected:
        return line.rstrip(), True
    right = expected[reading.metric]
    if isinstance(right, int | float) and isinstance(reading.value, int | float):
        same = abs(reading.value - right) <= max(_SAME * abs(right), 1e-6)
    else:
        same = reading.value == right
    return f"{line} {'ok' if same else f'WRONG, expected {right}'}", same


def find(
    dump: Annotated[Path, typer.Argument(help="what `capture` wrote")],
    values: Annotated[
        list[float], typer.Argument(help="as the device shows them: W, Wh, %, V ...")
    ],
    unit: _Unit = None,
) -> None:
    """Say where in a dump a value may stand, written as a sheet has it.

    Example: energy-gateway sheet find dump.json 80.3 4200 -- -1234
    """
    from gateway.devices.dump import read_dump
    from gateway.devices.sheets.skeleton import find as places

    read = read_dump(dump)
    number = read.only_unit(1) if unit is None else unit
    for value in values:
        found = places(read, number, value)
        print(f"{value:g}: {len(found)} places" if found else f"{value:g}: nowhere")
        for place in found[:12]:
            print(f"  {place.as_toml()}")


def new(
    key: Annotated[str, typer.Argument(help="small letters and '-': acme-h1")],
    capture: _DumpFile,
    unit: _Unit = None,
    out: Annotated[Path | None, typer.Option(help="file to write; KEY.toml here")] = None,
) -> None:
    """Write a sheet to begin with from a dump, with what stands in its registers.

    Example: energy-gateway sheet new acme-h1 --capture dump.json
    """
    from gateway.devices.dump import read_dump
    from gateway.devices.sheets.skeleton import skeleton
    from gateway.errors import ConfigError

    read = read_dump(capture)
    number = read.only_unit(1) if unit is None else unit
    target = out or Path(f"{key}.toml")
    if target.exists():
        raise ConfigError(f"{target} exists; move it away or name another file with --out")
    target.write_text(skeleton(read, number, key), encoding="utf-8")
    print(f"wrote {target}; next: fill [registers] and [readings], then")
    print(f"energy-gateway sheet test {target} --capture {capture}")


def schema() -> None:
    """Print the JSON schema of a sheet, for editors.

    Example: energy-gateway sheet schema > sheet.schema.json
    """
    from gateway.devices.sheets.schema import schema_text

    print(schema_text(), end="")
