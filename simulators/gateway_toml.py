"""The gateway's configuration for the simulated devices of the default families, as a person writes it.

The devices are steered by the owner's word (``steer``): what a test or benchmark that uses it is about is something else than
their proof.
"""

from __future__ import annotations

from pathlib import Path

from simulators.devices.serve import Ports

TARIFF = """[tariff]
import_price = { kind = "flat", per_kwh = "0.14" }
"""
_TEXT = """
state_dir = "{state}"

[[device]]
name = "inverter"
profile = "fronius-gen24"
host = "127.0.0.1"
port = {ports.inverter}
steer = "always"

[[device]]
name = "meter"
profile = "sunspec-meter"
host = "127.0.0.1"
port = {ports.meter}
unit = 200

[[device]]
name = "charger"
profile = "keba-p30"
host = "127.0.0.1"
port = {ports.charger}
steer = "always"

{tariff}
[dashboard]
port = 0

[mqtt]
port = {broker_port}
"""


def gateway_toml(state: Path, ports: Ports, broker_port: int) -> str:
    """The text of a gateway.toml; it ends in ``[mqtt]``, so more keys of it may follow."""
    return _TEXT.format(state=state, ports=ports, broker_port=broker_port, tariff=TARIFF)
