"""The composition: devices, site, journal, planner, market, MQTT; and the two loops."""

from gateway.agent.compose import Gateway, compose

__all__ = ["Gateway", "compose"]
