"""energy-sim: the demo, and the simulated home, exchange and broker alone."""

from __future__ import annotations

import signal

from gateway.cli import make_app, run_app


def main() -> None:
    """Entry point of ``energy-sim``. SIGTERM ends a part as Ctrl-C does: nothing is left running."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    run_app(
        make_app("simulators.cli", "Simulated homes, devices, exchange: everything but hardware.")
    )
