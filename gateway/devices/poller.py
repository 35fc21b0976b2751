"""The requests of one device, in three classes, and what their registers mean."""

from __future__ import annotations

import logging
from collections import Counter
from typing import get_args

from gateway.devices.counters import Counters
from gateway.devices.datasheet import Communication, Source
from gateway.devices.readout import Output, Poll, believable
from gateway.domain.sentences import sentence
from gateway.errors import DeviceError
from gateway.modbus.address import Table
from gateway.modbus.exceptions import SURE, Refused
from gateway.modbus.registers import (
    Block,
    Field,
    Missing,
    Value,
    middle_cut,
    plan,
    widest_gap,
)
from gateway.modbus.unit import Unit

log = logging.getLogger(__name__)

_SLOW_S = 60.0  # what hardly changes is read so often
_RESTING = ("idle", "plugged")  # states of a charger in which its counters and power stand still
_HOLES = (2, 3)  # exceptions by which a device refuses a block for what is not in it, or its length
_NO_PATH = (10, 11)  # exceptions of a gateway box that has lost the device
_ASK_AGAIN_S = 600.0  # so long registers that a device refuses are left alone


class LayoutChanged(DeviceError):
    """The registers are not where they were when the device was bound: bind it again."""


class Poller:
    """Reads a bound device. A first silence ends a poll: the rest would only wait, too.

    A refused block ends none: what it holds is bad in this poll, or absent where it is not there.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        unit: Unit,
        communication: Communication,
        counters: Counters,
        answered: dict[Block, float] | None = None,
    ) -> None:
        """``answered``: when which registers were read last; goes on over rebinding if it is given."""
        self._name, self._source, self._counters = name, source, counters
        self._unit, self._communication = unit, communication
        self._outputs = {
            kind: [o for o in source.outputs if o.poll == kind] for kind in get_args(Poll)
        }
        self._holes: list[tuple[Table, int, int]] = []
        self._refused: list[Block] = []
        self._answered: dict[Block, float] = {} if answered is None else answered
        self._said: set[Block] = set()
        self._failed: set[Block] = set()  # refused in this poll for a passing reason
        self._refused_until = float("-inf")
        self._plans = {poll: self._plan(poll) for poll in self._outputs}
        self._slow_due = float("-inf")
        self._resting: Value | None = None  # the charger's state, while nothing flows into a car
        self._still: list[tuple[str, Value]] = []  # and what stands still in it
        self._read_at = 0.0

    def _spans(self, poll: str) -> set[tuple[Table, int, int]]:
        fields = [f for o in self._outputs[poll] for f in o.fields]
        if poll == "fast":
            fields += [f for f, _ in self._source.anchors]
        return {(f.table, *f.span) for f in fields}

    def _plan(self, poll: str) -> tuple[Block, ...]:
        how = self._communication
        there = {s for s in self._spans(poll) if not any(b.holds(*s) for b in self._refused)}
        return plan(there, how.max_read, how.max_gap, self._holes)

    async def read(self, now: float) -> list[tuple[str, Value]]:
        """Values of all that is due at monotonic time ``now``, by metric."""
        self._read_at = now
        if self._refused and now >= self._refused_until:
            self._forgive()
        values = await self._read_class("fast")
        slow = now >= self._slow_due
        state = dict(values).get("charger_state")
        if slow or state not in _RESTING or state != self._resting:
            self._resting = None
            self._still = await self._read_class("charging")
        values += self._still
        if slow:
            values += await self._read_class("slow")
            self._slow_due = now + _SLOW_S
        self._resting = state
        judged = [(m, self._counters.judge(m, believable(m, v))) for m, v in values]
        self._counters.keep()
        return judged

    async def _read_class(self, poll: str) -> list[tuple[str, Value]]:
        raw = await self._read_blocks(poll)
        if poll == "fast":
            self._check_anchors(raw)
        return [(o.metric, self._made(raw, o)) for o in self._outputs[poll]]

    def _made(self, raw: dict[Block, bytes], output: Output) -> Value:
        value = output.combine(*(self._decode(raw, output, i) for i in range(len(output.fields))))
        return Missing.ABSENT if value is Missing.REFUSED else value

    async def _read_blocks(self, poll: str) -> dict[Block, bytes]:
        """All blocks of a class; those that are refused are parted, down to what is not there.

        What a device does not have is absent; a device that refuses all of a class is at fault.
        """
        raw: dict[Block, bytes] = {}
        refusals: Counter[Block] = Counter()
        self._failed = set()
        while todo := [b for b in self._plans[poll] if b not in raw and b not in self._failed]:
            for block in todo:
                try:
                    raw[block] = await self._unit.read(block.table, block.address, block.count)
                    self._answered[block] = self._read_at
                except Refused as refusal:
                    refusals[block] += 1
                    if refusal.code not in _HOLES:
                        self._failed.add(block)
                        if refusal.code in _NO_PATH or self._failed.issuperset(self._plans["fast"]):
                            raise
                        continue
                    if not self._part(block, refusals[block], poll):
                        self._forgive()
                        raise
                    break
        return raw

    def _forgive(self) -> None:
        """Ask again for what was refused: a device may get what it did not have."""
        self._refused.clear()
        self._plans = {p: self._plan(p) for p in self._plans}

    def _part(self, block: Block, times: int, poll: str) -> bool:
        """Read ``block`` in smaller parts after the second refusal; give it up after the last.

        False where it must not be given up: it has answered lately, or nothing else is left.
        """
        spans = self._spans(poll)
        cut = widest_gap(block, spans) or middle_cut(block, spans)
        if cut is not None and times > 1:
            self._holes.append(cut)
        elif times >= (1 if block in self._said else SURE):
            if self._answered_lately(block):
                return False
            if block not in self._said:
                self._said.add(block)
                log.debug("%s has no register %d: absent", self._name, block.address)
            self._refused.append(block)
            self._refused_until = self._read_at + _ASK_AGAIN_S
        else:
            return True
        self._plans = {p: self._plan(p) for p in self._plans}
        return bool(self._plans["fast"])

    def _answered_lately(self, block: Block) -> bool:
        """Whether any of it was there a moment ago: a device that starts up refuses what it will have."""
        return any(
            _overlap(block, known) and self._read_at - at < _ASK_AGAIN_S
            for known, at in self._answered.items()
        )

    def _check_anchors(self, raw: dict[Block, bytes]) -> None:
        for field, expected in self._source.anchors:
            value = _find(raw, field)
            if value is Missing.ABSENT and self._failed:
                continue  # in a block that was refused just now
            if value != expected:
                where = str(field.address)
                raise LayoutChanged(
                    sentence("lost.moved", register=where, word=str(value), was=str(expected))
                )

    def _decode(self, raw: dict[Block, bytes], output: Output, index: int) -> Value:
        field = output.fields[index]
        if any(block.holds(field.table, *field.span) for block in self._failed):
            return Missing.BAD
        for block, data in raw.items():
            if not block.holds(field.table, *field.span):
                continue
            value = field.decode(data, block.address)
            if field.kind == "acc32" and isinstance(value, int | float):
                key = f"{output.metric} {index}"
                return self._counters.unwrap(key, value, field.modulus(data, block.address))
            return value
        return Missing.ABSENT if field.may_lack else Missing.REFUSED


def _overlap(a: Block, b: Block) -> bool:
    return a.table == b.table and a.address < b.end and b.address < a.end


def _find(raw: dict[Block, bytes], field: Field) -> Value:
    for block, data in raw.items():
        if block.holds(field.table, *field.span):
            return field.decode(data, block.address)
    return Missing.ABSENT
