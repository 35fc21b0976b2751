"""`energy-gateway capture`: a device's registers and readings as a file that may be sent to others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.devices.capture import Captured
    from gateway.modbus.address import Table
    from gateway.modbus.registers import Block


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(capture)


def capture(
    host: Annotated[
        str, typer.Argument(metavar="HOST[:PORT]", help="the device; without a port 502")
    ],
    unit: Annotated[int | None, typer.Option(min=0, max=255, help="default: by scan")] = None,
    profile: Annotated[str, typer.Option(help="key of `profiles`; default: by the device")] = "",
    registers: Annotated[
        str, typer.Option(help="further ones, e.g. holding:30000-30100,input:0-120")
    ] = "",
    out: Annotated[Path, typer.Option(help="the file to write")] = Path("capture.json"),
) -> None:
    """Write what a device's registers hold, and what is read from them, into a file fit to be sent to us.

    It only reads. Serial numbers, names and addresses in the registers are replaced by others of the same kind; maker, model, firmware
    and what is measured stay. Look at the file before you send it.

    Example: energy-gateway capture 192.168.1.20 --out inverter.json
    """
    from gateway.cli.devices import address
    from gateway.devices.catalogue import profile as known
    from gateway.errors import ConfigError

    where, port = address(host)
    if profile:
        known(profile)
    if out.exists():
        raise ConfigError(f"{out} exists; move it away or name another file with --out")
    blocks = _blocks(registers)
    kept = asyncio.run(_capture(where, port, unit, profile, blocks))
    try:
        out.write_text(kept.as_json(), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from error
    count = sum(len(words) for words in kept.tables.values())
    says = (kept.about.get(what) for what in ("manufacturer", "model"))
    name = " ".join(filter(None, says)) or "the device"
    print(f"wrote {out}: {count} registers of {name}, {len(kept.readings)} readings")


async def _capture(
    host: str, port: int, unit: int | None, profile: str, blocks: list[Block]
) -> Captured:
    from contextlib import aclosing

    from gateway.clock import WallClock
    from gateway.devices.capture import capture
    from gateway.devices.catalogue import profile as known
    from gateway.devices.scan import scan
    from gateway.errors import DeviceError
    from gateway.modbus.address import BusAddress, BusTiming
    from gateway.modbus.connection import Connection

    sheet = known(profile) if profile else None
    if unit is None and sheet is not None:
        unit = sheet.communication.unit
    if unit is None:
        async with aclosing(scan(host, port)) as looking:
            async for found in looking:
                unit, sheet = found.unit, found.profile
                break
    if unit is None:
        raise DeviceError(f"{host}:{port}: no device that we know; name its --unit and --registers")
    timing = sheet.communication.timing if sheet else BusTiming(3.0)
    connection = Connection(BusAddress(host=host, port=port), timing)
    try:
        return await capture(connection, unit, WallClock(), sheet, blocks)
    finally:
        await connection.close()


def _blocks(text: str) -> list[Block]:
    """``holding:30000-30100,input:5`` as blocks; ConfigError for anything else."""
    from gateway.errors import ConfigError
    from gateway.modbus.registers import Block

    tables: dict[str, Table] = {"holding": "holding", "input": "input"}
    found = []
    for part in filter(None, text.split(",")):
        table, _, span = part.partition(":")
        first, _, last = span.partition("-")
        right = table in tables and first.isdigit() and (not last or last.isdigit())
        if not right or not int(first) <= int(last or first) <= 0xFFFF:
            raise ConfigError(f"--registers {part!r}: write TABLE:FIRST-LAST, e.g. holding:30000-30100 (tables: {' and '.join(tables)})")  # fmt: skip
        found.append(Block(tables[table], int(first), int(last or first) - int(first) + 1))
    return found
