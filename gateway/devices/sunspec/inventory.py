"""What a SunSpec unit turned out to be: its chain, the words that decide, and the evidence in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.devices.control_sheet import ControlSheet, ReadBack
from gateway.devices.datasheet import Identity
from gateway.devices.readout import Output
from gateway.devices.sunspec.makers import MakerQuirk, quirk_of
from gateway.modbus import sunspec as ss
from gateway.modbus.registers import Block, Field, plan
from gateway.modbus.unit import Unit

_PROBED = {
    1: ("Mn", "Md", "Opt", "Vr", "SN"),
    120: ("DERTyp", "WHRtg"),
    124: ("WChaMax", "ChaState", "ChaSt", "OutWRte", "InWRte"),
    704: ("WMaxLimPct", "WMaxLimPctEna", "WSetEna"),
    713: ("SoC", "WHRtg"),
    802: ("SoC", "WHRtg", "W"),
}
_REPEATED = {160: ("IDStr", "DCW", "DCV"), 714: ("PrtTyp",)}
_PV_STORAGE = 82  # 120.DERTyp
_PANELS_PORT, _BATTERY_PORT = 0, 1  # 714.PrtTyp
_NAMES = (
    (re.compile(r"dis[\s_-]*cha", re.IGNORECASE), "discharge"),
    (re.compile(r"(st|bat\w*)[\s_-]*cha|charg", re.IGNORECASE), "charge"),
    (re.compile(r"\bbat|akku|storage|\bess\b", re.IGNORECASE), "battery"),
)
# Names that say nothing: what stands at such an input may be panels or a battery.
_METERS = (201, 202, 203, 204, 211, 212, 213, 214)
_BATTERY_KINDS = ("charge", "discharge", "battery")
_NEUTRAL = re.compile(r"^(string|module|input|dc|channel|ch)?[\s_-]*\d*$", re.IGNORECASE)


@dataclass
class SunSpecInventory:
    """A unit while its source is put together."""

    chain: ss.Chain
    read_back: ReadBack
    identity: Identity = field(default_factory=Identity)
    unnamed_are_panels: bool = False
    battery_charge: Output | None = None
    outputs: list[Output] = field(default_factory=list)
    controls: list[ControlSheet] = field(default_factory=list)

    def number(self, model: ss.ModelAt | None, point: str) -> float | None:
        """A probed point, None where it is absent."""
        if model is None or not ss.has(model, point):
            return None
        return self.read_back.number(ss.field(model, point))

    @property
    def quirk(self) -> MakerQuirk:
        """What its maker does in his own way."""
        return quirk_of(self.identity.manufacturer, self.identity.model)

    @property
    def modules(self) -> dict[int, str]:
        """Model 160: module index -> pv | charge | discharge | battery | unknown, by its name."""
        model = self.chain.first(160)
        names: dict[int, str] = {}
        for i in range(ss.modules(model) if model else 0):
            name = self.read_back.value(ss.field(model, "IDStr", i)) if model else ""
            names[i] = name if isinstance(name, str) else ""
        kinds = {i: self._kind_of(name) for i, name in names.items()}
        self._place_battery(kinds)
        return kinds

    def _kind_of(self, name: str) -> str:
        if _NEUTRAL.match(name):
            return "pv" if self.unnamed_are_panels else "unknown"
        return next((kind for pattern, kind in _NAMES if pattern.search(name)), "pv")

    def _place_battery(self, kinds: dict[int, str]) -> None:
        """Names that say nothing are panels, unless a battery must stand at one of them."""
        place = self.quirk.battery_input
        neutral = [i for i, kind in kinds.items() if kind == "unknown"]
        if place in neutral:
            kinds.update(dict.fromkeys(neutral, "pv") | {place: "battery"})
        elif any(kind in _BATTERY_KINDS for kind in kinds.values()):
            kinds.update(dict.fromkeys(neutral, "pv"))

    @property
    def grid_meter(self) -> ss.ModelAt | None:
        """The first meter of the chain that does not say that it measures something else."""
        common: ss.ModelAt | None = None
        for model in self.chain.models:
            if model.model == 1:
                common = model
            elif model.model in _METERS:
                says = self.read_back.value(ss.field(common, "Opt")) if common else ""
                other = self.quirk.other_meters
                if not other or not isinstance(says, str):
                    return model
                if not re.search(other, says, re.IGNORECASE):
                    return model
        return None

    @property
    def ports(self) -> dict[str, list[int]]:
        """Model 714: the ports of panels ('pv') and of batteries ('battery')."""
        model = self.chain.first(714)
        kinds: dict[str, list[int]] = {"pv": [], "battery": []}
        for i in range(ss.modules(model) if model else 0):
            kind = self.read_back.word(ss.field(model, "PrtTyp", i).address) if model else None
            if kind in (_PANELS_PORT, _BATTERY_PORT):
                kinds["pv" if kind == _PANELS_PORT else "battery"].append(i)
        return kinds

    @property
    def storage_124(self) -> ss.ModelAt | None:
        """Model 124 if it is implemented; SMA shows it in full without a battery."""
        model = self.chain.first(124)
        says = any(self.number(model, p) is not None for p in ("ChaState", "OutWRte"))
        return model if self.number(model, "WChaMax") and says else None

    @property
    def battery(self) -> bool:
        """Whether a battery answers now: a model that is merely present is no evidence."""
        if self.storage_124 and self.number(self.storage_124, "ChaState") is not None:
            return True
        if any(self._holds_charge(self.chain.first(m)) for m in (713, 802)):
            return True
        return bool(self.ports["battery"]) or self._battery_module_alive

    def _holds_charge(self, model: ss.ModelAt | None) -> bool:
        """Whether model 713 or 802 tells of a battery: one that can hold 0 Wh is none."""
        return self.number(model, "SoC") is not None and self.number(model, "WHRtg") != 0

    @property
    def _battery_module_alive(self) -> bool:
        model = self.chain.first(160)
        alive = [i for i, kind in self.modules.items() if kind in _BATTERY_KINDS]
        return model is not None and any(
            self.read_back.number(ss.apart(ss.field(model, p, i))) is not None
            for i in alive
            for p in ("DCW", "DCV")
        )

    @property
    def may_have_battery(self) -> bool:
        """A hybrid by its nameplate or by its names, with or without a battery at the moment."""
        named = any(kind not in ("pv", "unknown") for kind in self.modules.values())
        hybrid = self.number(self.chain.first(120), "DERTyp") == _PV_STORAGE
        return self.battery or named or hybrid or self.storage_124 is not None


async def probe(unit: Unit, chain: ss.Chain) -> ReadBack:
    """Read once what decides what the device is: identity, ratings, names of modules."""
    wanted: list[Field] = []
    for model in chain.models:
        wanted += [f for _, f in ss.fields(model, _PROBED.get(model.model, ()))]
        for point in _REPEATED.get(model.model, ()):
            wanted += [ss.apart(ss.field(model, point, i)) for i in range(ss.modules(model))]
    raw: dict[Block, bytes] = {}
    for block in plan([(f.table, *f.span) for f in wanted], max_gap=24):
        data = await unit.read_if_there(block.table, block.address, block.count)
        if data is None:
            await _probe_apart(unit, block, wanted, raw)
        else:
            raw[block] = data
    return ReadBack(raw)


async def _probe_apart(
    unit: Unit, block: Block, wanted: Sequence[Field], raw: dict[Block, bytes]
) -> None:
    """Holes in a block: read each field of it alone and leave out what is refused."""
    for f in wanted:
        if not block.holds(f.table, *f.span):
            continue
        part = Block(f.table, f.span[0], f.span[1] - f.span[0])
        data = await unit.read_if_there(part.table, part.address, part.count)
        if data is not None:
            raw[part] = data
