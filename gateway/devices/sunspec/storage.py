"""Panels and battery of a SunSpec hybrid: told apart by names and port types, or not stated."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.devices.readout import Output, numeric, total_of_present
from gateway.devices.sunspec.inventory import SunSpecInventory
from gateway.modbus import sunspec as ss
from gateway.modbus.registers import Field, Missing, Value

_DISCHARGING, _CHARGING = 3, 4  # 124.ChaSt and 802.ChaSt
_ONE_REQUEST = 125  # a value and its scale factor must come in one
_AT_REST_W = 5.0  # less than this without a stated direction is rest, not a contradiction


def counted(*values: Value) -> Value:
    """A sum of accumulators: SunSpec lets 0 stand for 'not implemented'."""
    total = total_of_present(*values)
    return Missing.ABSENT if total == 0 else total


def add_panels(found: SunSpecInventory) -> None:
    """PV power where the device tells the panels' inputs from the battery's; else it is absent."""
    modules, model = found.modules, found.chain.first(160)
    panels = [i for i, kind in modules.items() if kind == "pv"]
    if model and panels and "unknown" not in modules.values() and _reaches(model, panels):
        powers = tuple(f for i in panels for f in _module(model, i))
        found.outputs.append(Output("pv_power_w", powers, _sum_of_modules))
        energies = tuple(ss.field(model, "DCWH", i) for i in panels)
        found.outputs.append(Output("pv_energy_wh", energies, counted))
        return
    model, panels = found.chain.first(714), found.ports["pv"]
    if model and panels:
        powers = tuple(ss.field(model, "DCW", i) for i in panels)
        found.outputs.append(Output("pv_power_w", powers, total_of_present))
        energies = tuple(ss.field(model, "DCWhInj", i) for i in panels)
        found.outputs.append(Output("pv_energy_wh", energies, counted))
        return
    found.outputs.append(Output("pv_power_w", (), total_of_present))


def add_storage(found: SunSpecInventory) -> None:
    """State, power and ratings of the battery, if one answers."""
    if not found.battery:
        return
    _battery_power(found)
    chain, outputs = found.chain, found.outputs
    socs = [
        ss.field(model, point)
        for number, point in ((124, "ChaState"), (713, "SoC"), (802, "SoC"))
        if (model := chain.first(number)) and ss.has(model, point)
    ]
    stated = [f for f in socs if found.read_back.number(f) is not None]
    outputs.append(Output("battery_soc_pct", tuple((stated or socs)[:1]), _percent))
    for metric, choices in (
        ("battery_capacity_wh", ((713, "WHRtg"), (802, "WHRtg"), (120, "WHRtg"))),
        (
            "battery_max_charge_w",
            ((120, "MaxChaRte"), (702, "WChaRteMax"), (802, "WChaRteMax"), (124, "WChaMax")),
        ),
        (
            "battery_max_discharge_w",
            ((120, "MaxDisChaRte"), (702, "WDisChaRteMax"), (802, "WDisChaRteMax")),
        ),
    ):
        sources = tuple(
            ss.field(at, p) for m, p in choices if (at := chain.first(m)) and ss.has(at, p)
        )
        if sources:
            outputs.append(Output(metric, sources, _first_positive, "slow"))
    if found.storage_124:
        mode = ss.field(found.storage_124, "StorCtl_Mod")
        outputs.append(Output("battery_mode", (mode,), _mode))


def _battery_power(found: SunSpecInventory) -> None:
    modules, model = found.modules, found.chain.first(160)
    by_kind = {k: [i for i, kind in modules.items() if kind == k] for k in modules.values()}
    used = [i for i, kind in modules.items() if kind != "pv"]
    if model and not _reaches(model, used):
        model, by_kind = None, {}
    if model and by_kind.get("charge") and by_kind.get("discharge"):
        _charge_and_discharge(found, model, by_kind["charge"], by_kind["discharge"])
        return
    state = found.storage_124 or found.chain.first(802)
    if model and by_kind.get("battery") and state:
        powers = tuple(f for i in by_kind["battery"] for f in _module(model, i))
        fields = (ss.field(state, "ChaSt"), *powers)
        found.outputs.append(Output("battery_power_w", fields, _directed_modules))
        return
    model, batteries = found.chain.first(714), found.ports["battery"]
    if model and batteries:  # signed, out of the battery +
        powers = tuple(ss.field(model, "DCW", i) for i in batteries)
        found.outputs.append(Output("battery_power_w", powers, total_of_present))
        return
    bank = found.chain.first(802)
    if bank and found.number(bank, "W") is not None:
        fields = (ss.field(bank, "ChaSt"), ss.field(bank, "W"))
        found.outputs.append(Output("battery_power_w", fields, _bank))
        return
    found.outputs.append(Output("battery_power_w", (), total_of_present))


def _charge_and_discharge(
    found: SunSpecInventory, model: ss.ModelAt, charge: Sequence[int], discharge: Sequence[int]
) -> None:
    """Two (groups of) unsigned modules, as Fronius has them."""
    powers = tuple(f for i in (*charge, *discharge) for f in _module(model, i))
    split = 3 * len(charge)

    def net(*values: Value) -> Value:
        into, out = _sum_of_modules(*values[:split]), _sum_of_modules(*values[split:])
        return numeric(lambda c, d: d - c)(into, out)

    found.outputs.append(Output("battery_power_w", powers, net))
    for metric, group in (("battery_charge_wh", charge), ("battery_discharge_wh", discharge)):
        energies = tuple(ss.field(model, "DCWH", i) for i in group)
        found.outputs.append(Output(metric, energies, counted))


def _reaches(model: ss.ModelAt, indices: Sequence[int]) -> bool:
    """Whether these modules stand near enough to the scale factors at the model's head."""
    spans = (f.span for i in indices for f in (*_module(model, i), ss.field(model, "DCWH", i)))
    return all(end - first <= _ONE_REQUEST for first, end in spans)


def _module(model: ss.ModelAt, i: int) -> tuple[Field, ...]:
    return tuple(ss.field(model, point, i) for point in ("DCW", "DCA", "DCV"))


def _one_module(watts: Value, amps: Value, volts: Value) -> Value:
    """A module's power as stated, else from current and voltage; ABSENT for an unused input."""
    if watts is Missing.ABSENT:
        return numeric(lambda a, v: a * v)(amps, volts)
    return watts


def _sum_of_modules(*values: Value) -> Value:
    return total_of_present(*(_one_module(*values[i : i + 3]) for i in range(0, len(values), 3)))


def _directed_modules(state: Value, *modules: Value) -> Value:
    """Unsigned battery power with the sign of the charge status."""
    power = _sum_of_modules(*modules)

    def signed(state: float, watts: float) -> Value:
        if abs(watts) <= _AT_REST_W:
            return 0.0 if state not in (_DISCHARGING, _CHARGING) else _sign(state) * watts
        return _sign(state) * watts if state in (_DISCHARGING, _CHARGING) else Missing.BAD

    return numeric(signed)(state, power)


def _sign(state: float) -> int:
    return 1 if state == _DISCHARGING else -1


def _bank(state: Value, power: Value) -> Value:
    """802.W is signed (discharge + on Kostal); a charge status that says otherwise is a fault."""
    if not isinstance(power, int | float) or not isinstance(state, int | float):
        return power
    against = (state == _DISCHARGING and power < 0) or (state == _CHARGING and power > 0)
    return Missing.BAD if against and abs(power) > _AT_REST_W else power


def _percent(value: Value = Missing.ABSENT) -> Value:
    if isinstance(value, int | float) and not 0 <= value <= 100:
        return Missing.BAD
    return value


def _first_positive(*values: Value) -> Value:
    """The first of several statements that says anything."""
    return next((v for v in values if isinstance(v, int | float) and v > 0), Missing.ABSENT)


def _mode(value: Value) -> Value:
    if isinstance(value, Missing):
        return value
    return "auto" if value == 0 else "held"
