"""The aggregator's page over a running exchange: `serve_fleet` serves it, on loopback."""

from simulators.fleet.server import FleetPage, serve_fleet

__all__ = ["FleetPage", "serve_fleet"]
