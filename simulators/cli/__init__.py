"""energy-sim: the demo, and the simulated home, exchange and broker alone."""

from __future__ import annotations

from gateway.cli import make_app, run_app


def main() -> None:
    """Entry point of ``energy-sim``."""
    run_app(
        make_app("simulators.cli", "Simulated homes, devices, exchange: everything but hardware.")
    )
