"""energy-gateway profiles: which device families are known, what each rests on, and all of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gateway.bridge.format import BridgeSheet
    from gateway.devices.control_sheet import ControlSheet
    from gateway.devices.datasheet import Profile


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(profiles)


def profiles(
    key: Annotated[str | None, typer.Argument(help="all of this one")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the list as JSON")] = False,
) -> None:
    """List the profiles: key, what it is for, what it rests on, what can be steered. With KEY, all of one.

    Example: energy-gateway profiles goodwe-et
    """
    import json

    from gateway.bridge.load import sheet
    from gateway.config.bridged import is_bridged
    from gateway.devices.catalogue import profile

    if as_json:
        print(json.dumps([row for row in _rows() if key in (None, row["profile"])], indent=2))
        return
    if key is not None:
        told = _bridged(sheet(key)) if is_bridged(key) else _whole(profile(key))
        print("\n".join(told))
        return
    print(f"{'profile':24} {'kind':9} {'evidence':11} {'dead-man':14} {'steers':34} for")
    rows = list(_rows())
    for row in rows:
        steers, lease = " ".join(row["steers"]) or "-", row["dead_man"] or "-"
        print(
            f"{row['profile']:24} {row['kind']:9} {row['evidence']:11} {lease:14} {steers:34} {row['for']}"
        )
    families = [r for r in rows if r["over"] == "modbus" and r["family"]]
    bridged = [r for r in rows if r["over"] != "modbus"]
    print(
        f"{len(families)} families are read, {sum(bool(r['steers']) for r in families)} of them steered"
    )
    dialled = sum(r["over"] == "ocpp" for r in bridged)
    print(
        f"{len(bridged) - dialled} more without Modbus are read over HTTP or MQTT, chargers by OCPP"
    )


def _rows() -> Iterator[dict[str, Any]]:
    """A row a profile: what the list shows."""
    from gateway.bridge.load import sheet
    from gateway.config.bridged import sheet_files
    from gateway.devices.catalogue import all_profiles

    for p in all_profiles().values():
        kinds = {c.lease.kind for c in p.source.controls} if p.source else set()
        yield {
            "profile": p.key,
            "kind": p.kind,
            "for": p.title,
            "evidence": p.evidence,
            "dead_man": "/".join(sorted(kinds)) or ("reversion" if p.controls else ""),
            "steers": sorted(c.value for c in p.controls),
            "over": "modbus",
            "family": p.kind not in {"any", "relay"} and not p.key.startswith("bridge-"),
        }
    for one in (sheet(name) for name in sheet_files()):
        yield {
            "profile": one.key,
            "kind": one.kind or "any",
            "for": one.title,
            "evidence": one.evidence,
            "dead_man": "heartbeat" if one.transport == "ocpp" or one.switch else "",
            "steers": ["charge_current_a"]
            if one.transport == "ocpp"
            else ["heat_power_w"]
            if one.switch
            else [],
            "over": one.transport,
            "family": True,
        }


def _bridged(told: BridgeSheet) -> Iterator[str]:
    """All that a bridge's sheet says, for a person."""
    yield f"{told.key}: {told.title}"
    how = f"read over {told.transport.upper()}, {'switched by it too' if told.switch else 'never steered'}"
    yield f"evidence: {told.evidence}; {'dials in by OCPP and is steered' if told.transport == 'ocpp' else how}"
    yield f"\n{told.about.strip()}\n"
    for metric, reading in told.readings.items():
        yield f"reads {metric:22} from {reading.ask or told.ask}, {reading.unit or 'a word'}"
    if told.each is not None:
        yield "reads what the owner names in [device.values]"


def _whole(p: Profile) -> Iterator[str]:
    """All that the sheet says, for a person."""
    how = p.communication
    yield f"{p.key}: {p.title}"
    yield f"evidence: {p.evidence}; usual port {how.port}, unit {how.unit}"
    yield (
        "found by SunSpec"
        if p.sunspec
        else "found by a scan"
        if p.identify
        else "not found by a scan"
    )
    if p.about:
        yield f"\n{p.about.strip()}\n"
    for output in p.source.outputs if p.source else ():
        places = ", ".join(f"{f.table} {f.address} {f.kind}" for f in output.fields)
        yield f"reads {output.metric:22} from {places}"
    if p.sunspec:
        yield "reads and steers what its SunSpec models show"
    for sheet in p.source.controls if p.source else ():
        yield from _steered(sheet)


def _steered(sheet: ControlSheet) -> Iterator[str]:
    lease = sheet.lease
    frees = (
        f"{lease.kind}, {lease.seconds:g} s" if lease.kind != "none" else "none: stored and undone"
    )
    yield f"steers {sheet.control.value}: the register sets the power of {sheet.limits}; dead-man {frees}"
    for address, told in sheet.by_address:
        flash = f"; flash, {sheet.max_per_day} a day at most" if address in sheet.flash else ""
        yield f"  writes {address}: told by {', '.join(sorted(told)) or 'nobody'}{flash}"
    if not sheet.by_address:
        yield f"  told by {', '.join(sheet.sources)}"
    if not sheet.is_proved:
        yield "  NOT OFFERED: a register needs two independent sources"
