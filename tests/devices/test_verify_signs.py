"""What keeps `verify` from trying, and its second witness: pure."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.grid_operator import SIGNAL, OperatorCommand, RelayInput
from gateway.domain.readings import DeviceState, Quality, Reading
from gateway.site.snapshot import join
from gateway.verify.dimmed import OperatorSigns
from gateway.verify.judge import Seen, second_witness
from gateway.verify.walk import Step
from tests.devices.verify_homes import (
    EVENING,
    NOON,
)


@pytest.mark.parametrize(
    ("contacts", "limited"), [("none", False), ("1", True), ("2", False), ("2,1", True)]
)
def test_a_relay_limits_by_the_contacts_that_mean_a_limit(contacts: str, limited: bool) -> None:
    signal = Reading(SIGNAL, contacts, Quality.GOOD, EVENING)
    ripple = DeviceState("ripple", online=True, readings={SIGNAL: signal})
    inputs = (RelayInput(2, import_limit_w=4200.0), RelayInput(3))
    signs = OperatorSigns({"ripple": inputs, "lost": inputs})
    assert bool(signs.limited(join(EVENING, {"ripple": ripple}), EVENING)) == limited


@pytest.mark.parametrize(
    ("limit_w", "until", "limited"),
    [(4200.0, None, True), (None, None, False), (0.0, EVENING, False), (0.0, NOON, False)],
)
def test_a_command_limits_until_its_end(
    limit_w: float | None, until: datetime | None, limited: bool
) -> None:
    signs = OperatorSigns(commands=(OperatorCommand("1", "import", limit_w, until),))
    assert bool(signs.limited(join(EVENING, {}), EVENING)) == limited


def seen(power_w: float, elsewhere_w: float | None) -> Seen:
    return Seen(Step("", power_w, 0, 0), power_w, elsewhere_w, 6)


@given(
    st.lists(st.floats(-1000, 1000), min_size=4, max_size=8),
    st.sampled_from([-1.0, 0.0, 0.1, 10.0]),
)
def test_a_meter_with_another_sign_or_unit_is_always_seen(
    powers: list[float], wrong: float
) -> None:
    walk = [seen(p, wrong * p) for p in powers]
    if max(powers) - min(powers) > 100:
        assert second_witness(walk)[1]
        assert not second_witness([seen(p, 0.97 * p) for p in powers])[1]


def test_without_a_meter_there_is_no_second_witness() -> None:
    assert second_witness([seen(0, None), seen(1000, None)]) == (None, "")
