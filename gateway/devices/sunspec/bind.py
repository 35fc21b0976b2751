"""A SunSpec device as found: from its chain of models to readings.

Which model-160 modules are the battery is read from their names, never assumed; a model that is
present but not implemented counts as absent; scale factors come with their values (`Field.span`).
Signs and meanings: SunSpec models 101-113, 120-124, 160, 201-214, 701-714, 802.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.devices.control_sheet import MeasuredPower
from gateway.devices.datasheet import Identity, Source, SunSpecSheet
from gateway.devices.readout import (
    Output,
    Poll,
    frequency,
    grid_counters,
    named,
    numeric,
    one,
    total,
)
from gateway.devices.sunspec.control import battery_124, pv_limit_123, pv_limit_704, reserve_124
from gateway.devices.sunspec.der import battery_704
from gateway.devices.sunspec.inventory import SunSpecInventory, probe
from gateway.devices.sunspec.storage import add_panels, add_storage, counted
from gateway.domain.metrics import PHASES
from gateway.domain.sentences import sentence
from gateway.errors import DeviceError
from gateway.modbus import sunspec as ss
from gateway.modbus.registers import Field, Missing, Value
from gateway.modbus.unit import Unit

_MOST_WH = 1e9  # no home has moved more: a counter that says so runs below 0
_NOISE_W = 100.0  # between two registers that were not measured in the same moment
_STATES_10X = {
    1: "off",
    2: "sleeping",
    3: "starting",
    4: "mppt",
    5: "throttled",
    6: "shutting_down",
    7: "fault",
    8: "standby",
}
_STATES_701 = {
    0: "off",
    1: "sleeping",
    2: "starting",
    3: "running",
    4: "throttled",
    5: "shutting_down",
    6: "fault",
    7: "standby",
}


async def bind(unit: Unit, sheet: SunSpecSheet) -> Source:
    """Walk the unit's chain and bind what it implements. Raises DeviceError if it has none."""
    chain = await ss.discover(unit)
    if chain is None:
        raise DeviceError(sentence("lost.no_sunspec", where=str(unit)))
    found = SunSpecInventory(chain, await probe(unit, chain))
    found.unnamed_are_panels = sheet.unnamed_are_panels
    found.battery_charge = sheet.battery_charge
    found.identity = _identity(found)
    if sheet.inverter:
        _inverter(found)
        if sheet.battery_control:
            _battery_control(found)
        if sheet.pv_limit:
            _pv_limit(found)
    if sheet.meter:
        _meter(found)
    if not found.outputs:
        ids = ", ".join(str(m.model) for m in chain.models) or "none"
        raise DeviceError(sentence("lost.no_model", where=str(unit), what=ids))
    return Source(tuple(found.outputs), tuple(found.controls), found.identity, _anchors(found))


def _anchors(found: SunSpecInventory) -> tuple[tuple[Field, int], ...]:
    """The id registers of the models that are read: a changed setting moves them all."""
    used = {f.address for o in found.outputs if o.poll == "fast" for f in o.fields}
    return tuple(
        (Field(m.address, "u16"), m.model)
        for m in found.chain.models
        if any(m.address <= a < m.end for a in used)
    )


def _identity(found: SunSpecInventory) -> Identity:
    common = found.chain.first(1)
    if common is None:
        return Identity()

    def text(point: str) -> str:
        value = found.read_back.value(ss.field(common, point)) if ss.has(common, point) else ""
        return value if isinstance(value, str) else ""

    return Identity(text("Mn"), text("Md"), text("Vr"), text("SN"))


def _inverter(found: SunSpecInventory) -> None:
    model = found.chain.first(103, 102, 101, 113, 112, 111, 701)
    if model is None:
        return
    energy, state = ("TotWhInj", "InvSt") if model.model == 701 else ("WH", "St")
    names = _STATES_701 if model.model == 701 else _STATES_10X
    power = ss.field(model, "W")
    found.outputs.append(one("ac_power_w", power))
    if ss.has(model, "Hz"):
        found.outputs.append(frequency(ss.field(model, "Hz")))
    if ss.has(model, state):
        found.outputs.append(Output("inverter_state", (ss.field(model, state),), named(names)))
    if found.battery_charge:
        found.outputs.append(_panels_beside(found.battery_charge, ss.field(model, "DCW")))
        return
    if found.may_have_battery:
        add_panels(found)
        add_storage(found)
        return
    found.outputs.append(Output("pv_power_w", (power,), numeric(lambda w: max(0.0, w))))
    if ss.has(model, energy):
        found.outputs.append(Output("pv_energy_wh", (ss.field(model, energy),), counted))


def _panels_beside(charge: Output, direct: Field) -> Output:
    """DCW is panels and battery together: what goes into the battery + is what the panels give besides.

    At night losses and the moments of the two readings leave some watts below 0; more is a fault.
    """

    def panels(dc: Value, *battery: Value) -> Value:
        def power(dc: float, into: float) -> Value:
            watts = dc + into
            return max(0.0, watts) if watts >= -_NOISE_W - 0.05 * abs(into) else Missing.BAD

        return numeric(power)(dc, charge.combine(*battery))

    return Output("pv_power_w", (direct, *charge.fields), panels)


def _battery_control(found: SunSpecInventory) -> None:
    if found.storage_124:
        found.controls.append(battery_124(found.storage_124))
        if ss.has(found.storage_124, "MinRsvPct"):
            found.controls.append(reserve_124(found.storage_124))
        return
    setpoint, ports, rating, ac = (found.chain.first(m) for m in (704, 714, 702, 701))
    kinds = found.ports
    if not (setpoint and ports and rating and ac and kinds["pv"] and kinds["battery"]):
        return
    if found.number(setpoint, "WSetEna") is not None:
        panels, batteries = (
            tuple(ss.field(ports, "DCW", i) for i in kinds[kind]) for kind in ("pv", "battery")
        )
        battery = Output("battery_power_w", batteries, total)
        measured = MeasuredPower(panels, battery, ss.field(ac, "W"), max_gap=30)
        found.controls.append(battery_704(setpoint, rating, measured))


def _pv_limit(found: SunSpecInventory) -> None:
    limit = found.chain.first(123)
    rating = found.chain.first(121) or found.chain.first(120)
    points: tuple[str, str] = ("WMaxLim_Ena", "WMaxLimPct")
    poll: Poll = "slow"  # else it costs a request at each poll: model 160 lies between
    if limit is not None and rating is not None:
        found.controls.append(pv_limit_123(limit, rating))
    else:
        limit, rating = found.chain.first(704), found.chain.first(702)
        points, poll = ("WMaxLimPctEna", "WMaxLimPct"), "fast"
        if limit is None or rating is None or found.number(limit, "WMaxLimPctEna") is None:
            return
        found.controls.append(pv_limit_704(limit, rating))
    fields = tuple(ss.field(limit, point) for point in points)
    found.outputs.append(Output("pv_limit_pct", fields, numeric(_active_limit), poll))


def _active_limit(on: float, percent: float) -> Value:
    if on != 1:
        return 100.0
    return percent if 0 <= percent <= 100 else Missing.BAD


def _meter(found: SunSpecInventory) -> None:
    model = found.grid_meter
    if model is None:
        return
    power, sign = ss.field(model, "W"), found.quirk.meter_sign
    found.outputs.append(Output("grid_power_w", (power,), numeric(lambda w: sign * w)))
    for phase, letter in zip(PHASES, "ABC", strict=True):
        if ss.has(model, f"Wph{letter}"):
            watts = ss.field(model, f"Wph{letter}")
            found.outputs.append(
                Output(f"grid_power_{phase}_w", (watts,), numeric(lambda w: sign * w))
            )
        if ss.has(model, f"Aph{letter}"):
            amps = ss.field(model, f"Aph{letter}")
            found.outputs.append(Output(f"grid_current_{phase}_a", (amps,), numeric(abs)))
    bought, sold = (
        replace(ss.field(model, point), valid=(0, _MOST_WH)) for point in ("TotWhImp", "TotWhExp")
    )
    if found.quirk.export_below_0:
        sold = replace(sold, size_counts=True)
    found.outputs += grid_counters(bought, sold)
    if ss.has(model, "Hz") and not any(o.metric == "grid_frequency_hz" for o in found.outputs):
        found.outputs.append(frequency(ss.field(model, "Hz")))
