"""Two devices on one bus are asked as the more delicate of them wants it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.modbus.address import BusTiming
from gateway.modbus.frames import TidMode

SECONDS = st.floats(0, 10)
TIMINGS = st.builds(BusTiming, SECONDS, SECONDS, SECONDS, st.sampled_from(TidMode))


@given(TIMINGS, TIMINGS)
def test_the_slower_of_two_gives_each_the_time_that_it_needs(a: BusTiming, b: BusTiming) -> None:
    both = a.slower(b)
    assert both.timeout_s == max(a.timeout_s, b.timeout_s)
    assert both.connect_delay_s == max(a.connect_delay_s, b.connect_delay_s)
    assert both.min_gap_s == max(a.min_gap_s, b.min_gap_s)


@given(TIMINGS, TIMINGS)
def test_a_device_that_cannot_send_the_transaction_back_is_not_held_to_it(
    a: BusTiming, b: BusTiming
) -> None:
    modes = {a.tid_mode, b.tid_mode}
    assert a.slower(b).tid_mode in modes
    assert (a.slower(b).tid_mode is TidMode.STRICT) == (modes == {TidMode.STRICT})
