"""Conditions of a sheet, judged on decoded values: true, false, or not known.

A value that is absent or bad makes neither true nor false what is asked of it; of several conditions
a plain answer counts more than one that is not known, and bad more than refused, refused more than absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.devices.readout import worst
from gateway.devices.sheets.problem import expression
from gateway.devices.sheets.terms import Condition, Test, When
from gateway.modbus.registers import Missing, Value

Verdict = bool | Missing
Values = Mapping[str, Value]
Judge = Callable[[Values], Verdict]


def names_in(when: When | None) -> set[str]:
    """The registers and values that a condition asks for."""
    if when is None:
        return set()
    return {name for every in (when if isinstance(when, list) else [when]) for name in every}


def judge_of(when: When) -> Judge:
    """The function that judges ``when``."""
    if isinstance(when, list):
        some = [judge_of(one) for one in when]
        return lambda values: _any([one(values) for one in some])
    parts = [(name, _test_of(condition)) for name, condition in when.items()]
    if len(parts) == 1:
        name, test = parts[0]
        return lambda values: test(values[name])
    return lambda values: _all([test(values[name]) for name, test in parts])


def _all(verdicts: list[Verdict]) -> Verdict:
    if False in verdicts:
        return False
    return _unknown(verdicts, True)


def _any(verdicts: list[Verdict]) -> Verdict:
    if True in verdicts:
        return True
    return _unknown(verdicts, False)


def _unknown(verdicts: list[Verdict], otherwise: bool) -> Verdict:
    missing = worst(verdicts)
    return otherwise if missing is None else missing


def _test_of(condition: Condition) -> Callable[[Value], Verdict]:
    if condition == "absent":
        return lambda value: Missing.BAD if value is Missing.BAD else isinstance(value, Missing)
    if condition == "there":
        return lambda value: Missing.BAD if value is Missing.BAD else not isinstance(value, Missing)
    if isinstance(condition, Test):
        return _known(_holds(condition))
    allowed = frozenset(condition if isinstance(condition, list) else [condition])
    return _known(lambda value: value in allowed)


def _known(test: Callable[[float | str], bool]) -> Callable[[Value], Verdict]:
    return lambda value: value if isinstance(value, Missing) else test(value)


def _holds(test: Test) -> Callable[[float | str], bool]:
    """All that ``test`` asks for; text holds by its pattern only."""
    pattern = expression(test.match) if test.match is not None else None
    unwanted = test.not_ if isinstance(test.not_, list) else [test.not_]

    def number_holds(value: float) -> bool:
        return (
            (test.min is None or value >= test.min)
            and (test.max is None or value <= test.max)
            and value not in unwanted
            and (test.bits is None or int(value) & test.bits == test.bits)
            and (test.no_bits is None or not int(value) & test.no_bits)
        )

    def holds(value: float | str) -> bool:
        if pattern is not None and not pattern.search(str(value)):
            return False
        return pattern is not None if isinstance(value, str) else number_holds(value)

    return holds
