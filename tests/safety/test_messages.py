"""Whatever the defaults of an order or report are, it goes through the socket and comes out the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.domain.control import Setpoints
from gateway.domain.order import Order, StandingSettings
from gateway.ipc.messages import ORDERS, REPORTS, GuardReport
from tests.control.homes import snapshot

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_the_barest_order_and_report_survive_the_socket() -> None:
    order = Order(NOW, NOW + timedelta(seconds=60), StandingSettings(reserve_pct=20.0))
    assert ORDERS.decode(ORDERS.encode(order)) == order
    report = GuardReport(1, snapshot(), Setpoints(), StandingSettings(20.0), order_holds=False)
    assert REPORTS.decode(REPORTS.encode(report)) == report
    assert REPORTS.encode(REPORTS.decode(REPORTS.encode(report))) == REPORTS.encode(report)
