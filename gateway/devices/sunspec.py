"""A SunSpec device as found: from its chain of models to readings.

Which model-160 modules are the battery is read from their names, never assumed; a model that is
present but not implemented counts as absent; scale factors come with their values (`Field.span`).
Signs and meanings: reference of SunSpec models 101-113, 120-124, 160, 201-214, 701-714, 802.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.devices.profile import (
    ControlSheet,
    Facts,
    Identity,
    Output,
    Source,
    SunSpecSheet,
    named,
    numeric,
    one,
    total_of_present,
)
from gateway.devices.sunspec_control import battery_124, pv_limit_123
from gateway.errors import DeviceError
from gateway.modbus import sunspec as ss
from gateway.modbus.link import Refused, Unit
from gateway.modbus.registers import Block, Field, Missing, Value, plan

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
_PV_STORAGE = 82  # 120.DERTyp
_DISCHARGING, _CHARGING = 3, 4  # 124.ChaSt and 802.ChaSt
_DISCHARGE_NAME = re.compile(r"dis[\s_-]*cha", re.IGNORECASE)
_CHARGE_NAME = re.compile(r"(st|bat\w*)[\s_-]*cha|charg", re.IGNORECASE)
_BATTERY_NAME = re.compile(r"\bbat|akku|storage|\bess\b", re.IGNORECASE)
_PANEL_NAME = re.compile(r"pv|mppt|string|solar|panel|input|dc", re.IGNORECASE)


@dataclass
class _Found:
    """What a chain was found to hold, while its source is put together."""

    chain: ss.Chain
    facts: Facts
    identity: Identity
    outputs: list[Output] = field(default_factory=list)
    controls: list[ControlSheet] = field(default_factory=list)

    def number(self, model: ss.ModelAt | None, point: str) -> float | None:
        if model is None or not ss.has(model, point):
            return None
        return self.facts.number(ss.field(model, point))


async def bind(unit: Unit, sheet: SunSpecSheet) -> Source:
    """Walk the unit's chain and bind what it implements. Raises DeviceError if it has none."""
    chain = await ss.discover(unit)
    if chain is None:
        raise DeviceError(f"{unit}: no SunSpec map at 40000, 0 or 50000")
    found = _Found(chain, await _probe(unit, chain), Identity())
    found.identity = _identity(found)
    if sheet.inverter:
        _inverter(found)
        _storage(found, sheet)
        if sheet.pv_limit:
            _pv_limit(found)
    if sheet.meter:
        _meter(found)
    if not found.outputs:
        ids = ", ".join(str(m.model) for m in chain.models) or "none"
        raise DeviceError(f"{unit}: no usable SunSpec model (found {ids})")
    return Source(tuple(found.outputs), tuple(found.controls), found.identity)


_PROBED = {
    1: ("Mn", "Md", "Vr", "SN"),
    120: ("DERTyp", "WHRtg"),
    124: ("WChaMax", "ChaState", "ChaSt", "OutWRte", "InWRte"),
    713: ("SoC", "WHRtg"),
    802: ("SoC", "WHRtg", "W"),
}


async def _probe(unit: Unit, chain: ss.Chain) -> Facts:
    """Read once what decides what the device is: identity, ratings, names of modules."""
    wanted: list[Field] = []
    for model in chain.models:
        wanted += [f for _, f in ss.fields(model, _PROBED.get(model.model, ()))]
        if model.model == 160:
            wanted += [ss.field(model, "IDStr", i) for i in range(ss.modules(model))]
        if model.model == 714:
            wanted += [ss.field(model, "PrtTyp", i) for i in range(ss.modules(model))]
    raw: dict[Block, bytes] = {}
    for block in plan([(f.table, *f.span) for f in wanted], max_gap=24):
        try:
            raw[block] = await unit.read(block.table, block.address, block.count)
        except Refused as refusal:
            if refusal.code in (10, 11):
                raise
            await _probe_apart(unit, block, wanted, raw)
    return Facts(raw)


async def _probe_apart(
    unit: Unit, block: Block, wanted: Sequence[Field], raw: dict[Block, bytes]
) -> None:
    """Holes in a block: read each field of it alone and leave out what is refused."""
    for f in wanted:
        if not block.holds(f.table, *f.span):
            continue
        part = Block(f.table, f.span[0], f.span[1] - f.span[0])
        try:
            raw[part] = await unit.read(part.table, part.address, part.count)
        except Refused:
            continue


def _identity(found: _Found) -> Identity:
    common = found.chain.first(1)
    if common is None:
        return Identity()

    def text(point: str) -> str:
        value = found.facts.value(ss.field(common, point)) if ss.has(common, point) else ""
        return value if isinstance(value, str) else ""

    return Identity(text("Mn"), text("Md"), text("Vr"), text("SN"))


# -- inverter --


def _inverter(found: _Found) -> None:
    model = found.chain.first(103, 102, 101, 113, 112, 111, 701)
    if model is None:
        return
    energy, state = ("TotWhInj", "InvSt") if model.model == 701 else ("WH", "St")
    names = _STATES_701 if model.model == 701 else _STATES_10X
    power = ss.field(model, "W")
    found.outputs.append(one("ac_power_w", power))
    if ss.has(model, "Hz"):
        found.outputs.append(one("grid_frequency_hz", ss.field(model, "Hz")))
    if ss.has(model, state):
        found.outputs.append(Output("inverter_state", (ss.field(model, state),), named(names)))
    if _has_battery(found):
        _panels_of_hybrid(found)
        return
    found.outputs.append(Output("pv_power_w", (power,), numeric(lambda w: max(0.0, w))))
    if ss.has(model, energy):
        found.outputs.append(Output("pv_energy_wh", (ss.field(model, energy),), _counted))


def _counted(value: Value) -> Value:
    """An accumulator: SunSpec lets 0 stand for 'not implemented'."""
    return Missing.ABSENT if value == 0 else value


def _has_battery(found: _Found) -> bool:
    """Evidence of storage. A model that is merely present is none: SMA shows 124 without battery."""
    chain = found.chain
    if found.number(chain.first(120), "DERTyp") == _PV_STORAGE or _storage_124(found):
        return True
    if any(found.number(chain.first(m), "SoC") is not None for m in (713, 802)):
        return True
    if any(kind != "pv" for kind in _modules_160(found).values()):
        return True
    return 1 in _ports_714(found).values()


def _storage_124(found: _Found) -> ss.ModelAt | None:
    model = found.chain.first(124)
    implemented = found.number(model, "WChaMax") and (
        found.number(model, "ChaState") is not None or found.number(model, "OutWRte") is not None
    )
    return model if implemented else None


def _modules_160(found: _Found) -> dict[int, str]:
    """Module index -> charge | discharge | battery | pv | unknown, by the module's name."""
    model = found.chain.first(160)
    kinds: dict[int, str] = {}
    for i in range(ss.modules(model) if model else 0):
        assert model is not None  # noqa: S101 - narrows the type; the range is empty without it
        name = found.facts.value(ss.field(model, "IDStr", i))
        kinds[i] = _kind_of(name if isinstance(name, str) else "")
    return kinds


def _kind_of(name: str) -> str:
    for pattern, kind in (
        (_DISCHARGE_NAME, "discharge"),
        (_CHARGE_NAME, "charge"),
        (_BATTERY_NAME, "battery"),
        (_PANEL_NAME, "pv"),
    ):
        if pattern.search(name):
            return kind
    return "unknown" if not name else "pv"


def _ports_714(found: _Found) -> dict[int, int]:
    model = found.chain.first(714)
    count = ss.modules(model) if model else 0
    kinds = {
        i: found.facts.word(ss.field(model, "PrtTyp", i).address) for i in range(count) if model
    }
    return {i: kind for i, kind in kinds.items() if kind is not None}


def _panels_of_hybrid(found: _Found) -> None:
    """PV power where the device tells the panels' inputs from the battery's; else nothing."""
    modules = _modules_160(found)
    model = found.chain.first(160)
    panels = [i for i, kind in modules.items() if kind == "pv"]
    if model and panels and "unknown" not in modules.values():
        powers = tuple(f for i in panels for f in _module_power(model, i))
        found.outputs.append(Output("pv_power_w", powers, _sum_of_modules))
        energies = tuple(ss.field(model, "DCWH", i) for i in panels)
        found.outputs.append(
            Output("pv_energy_wh", energies, lambda *v: _counted(total_of_present(*v)))
        )
        return
    ports, model = _ports_714(found), found.chain.first(714)
    panels = [i for i, kind in ports.items() if kind == 0]
    if model and panels:
        powers = tuple(ss.field(model, "DCW", i) for i in panels)
        found.outputs.append(Output("pv_power_w", powers, total_of_present))
        energies = tuple(ss.field(model, "DCWhInj", i) for i in panels)
        found.outputs.append(
            Output("pv_energy_wh", energies, lambda *v: _counted(total_of_present(*v)))
        )


def _module_power(model: ss.ModelAt, i: int) -> tuple[Field, Field, Field]:
    return tuple(ss.field(model, point, i) for point in ("DCW", "DCA", "DCV"))  # type: ignore[return-value]


def _one_module(watts: Value, amps: Value, volts: Value) -> Value:
    """A module's power as stated, else from current and voltage; ABSENT for an unused input."""
    if watts is Missing.ABSENT:
        return numeric(lambda a, v: a * v)(amps, volts)
    return watts


def _sum_of_modules(*values: Value) -> Value:
    return total_of_present(*(_one_module(*values[i : i + 3]) for i in range(0, len(values), 3)))


# -- storage --


def _storage(found: _Found, sheet: SunSpecSheet) -> None:
    if not _has_battery(found):
        return
    _battery_power(found)
    chain, outputs = found.chain, found.outputs
    for model, point in ((124, "ChaState"), (713, "SoC"), (802, "SoC")):
        at = chain.first(model)
        if at and found.number(at, point) is not None:
            soc = ss.field(at, point)
            outputs.append(Output("battery_soc_pct", (soc,), _percent))
            break
    for metric, choices in (
        ("battery_capacity_wh", ((713, "WHRtg"), (802, "WHRtg"), (120, "WHRtg"))),
        ("battery_max_charge_w", ((120, "MaxChaRte"), (702, "WChaRteMax"), (124, "WChaMax"))),
        ("battery_max_discharge_w", ((120, "MaxDisChaRte"), (702, "WDisChaRteMax"))),
    ):
        sources = tuple(
            ss.field(at, p) for m, p in choices if (at := chain.first(m)) and ss.has(at, p)
        )
        if sources:
            outputs.append(Output(metric, sources, _first_positive, "slow"))
    control = _storage_124(found)
    if control is not None:
        mode = ss.field(control, "StorCtl_Mod")
        outputs.append(Output("battery_mode", (mode,), _mode))
        if sheet.battery_control:
            found.controls.append(battery_124(control))


def _mode(value: Value) -> Value:
    if isinstance(value, Missing):
        return value
    return "auto" if value == 0 else "held"


def _percent(value: Value) -> Value:
    if isinstance(value, int | float) and not 0 <= value <= 100:
        return Missing.BAD
    return value


def _first_positive(*values: Value) -> Value:
    """The first of several statements that says anything."""
    return next((v for v in values if isinstance(v, int | float) and v > 0), Missing.ABSENT)


def _battery_power(found: _Found) -> None:
    modules, model = _modules_160(found), found.chain.first(160)
    by_kind = {k: [i for i, kind in modules.items() if kind == k] for k in modules.values()}
    if model and by_kind.get("charge") and by_kind.get("discharge"):
        _charge_and_discharge(found, model, by_kind["charge"], by_kind["discharge"])
        return
    state = found.chain.first(124, 802)
    if model and by_kind.get("battery") and state and ss.has(state, "ChaSt"):
        powers = tuple(f for i in by_kind["battery"] for f in _module_power(model, i))
        found.outputs.append(
            Output("battery_power_w", (ss.field(state, "ChaSt"), *powers), _directed)
        )
        return
    ports, model = _ports_714(found), found.chain.first(714)
    batteries = [i for i, kind in ports.items() if kind == 1]
    if model and batteries:  # signed, out of the battery +
        powers = tuple(ss.field(model, "DCW", i) for i in batteries)
        found.outputs.append(Output("battery_power_w", powers, total_of_present))
        return
    bank = found.chain.first(802)
    if bank and found.number(bank, "W") is not None:
        power = (ss.field(bank, "ChaSt"), ss.field(bank, "W"))
        found.outputs.append(Output("battery_power_w", power, _directed_bank))


def _charge_and_discharge(
    found: _Found, model: ss.ModelAt, charge: Sequence[int], discharge: Sequence[int]
) -> None:
    """Two (groups of) unsigned modules, as Fronius has them."""
    powers = tuple(f for i in (*charge, *discharge) for f in _module_power(model, i))
    split = 3 * len(charge)
    found.outputs.append(
        Output(
            "battery_power_w",
            powers,
            lambda *v: numeric(lambda c, d: d - c)(
                _sum_of_modules(*v[:split]), _sum_of_modules(*v[split:])
            ),
        )
    )
    for metric, group in (("battery_charge_wh", charge), ("battery_discharge_wh", discharge)):
        energies = tuple(ss.field(model, "DCWH", i) for i in group)
        found.outputs.append(Output(metric, energies, lambda *v: _counted(total_of_present(*v))))


def _directed(state: Value, *modules: Value) -> Value:
    """Unsigned battery power with the sign of the charge status."""
    return _directed_bank(state, _sum_of_modules(*modules))


def _directed_bank(state: Value, power: Value) -> Value:
    def signed(state: float, watts: float) -> Value:
        if watts == 0:
            return 0.0
        if state not in (_DISCHARGING, _CHARGING):
            return Missing.BAD  # power without a direction
        return abs(watts) if state == _DISCHARGING else -abs(watts)

    return numeric(signed)(state, power)  # type: ignore[arg-type]  # signed may say BAD


# -- limit of generation --


def _pv_limit(found: _Found) -> None:
    limit = found.chain.first(123)
    rating = found.chain.first(121) or found.chain.first(120)
    if limit is None or rating is None:
        return
    enabled, percent = ss.field(limit, "WMaxLim_Ena"), ss.field(limit, "WMaxLimPct")
    found.outputs.append(
        Output("pv_limit_pct", (enabled, percent), numeric(lambda e, p: p if e == 1 else 100.0))
    )
    found.controls.append(pv_limit_123(limit, rating))


# -- meter --


def _meter(found: _Found) -> None:
    model = found.chain.first(203, 202, 201, 204, 213, 212, 211, 214)
    if model is None:
        return
    # The standard leaves the sign to the maker: SolarEdge counts export as +, most import.
    sign = -1 if "solaredge" in found.identity.manufacturer.lower() else 1
    power = ss.field(model, "W")
    found.outputs.append(Output("grid_power_w", (power,), numeric(lambda w: sign * w)))
    counters = (ss.field(model, "TotWhImp"), ss.field(model, "TotWhExp"))
    found.outputs.append(Output("grid_import_wh", counters, _pair))
    found.outputs.append(Output("grid_export_wh", counters, lambda i, e: _pair(e, i)))
    if ss.has(model, "Hz") and not any(o.metric == "grid_frequency_hz" for o in found.outputs):
        found.outputs.append(one("grid_frequency_hz", ss.field(model, "Hz")))


def _pair(value: Value, other: Value) -> Value:
    """A meter's counter: 0 is believed only when its twin shows that energy is counted at all."""
    if value == 0 and (other == 0 or isinstance(other, Missing)):
        return Missing.ABSENT
    return value
