"""`python -m gateway.bridge`: the bridge's process, started by the guard where a device has no Modbus."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from gateway.bridge.serve import Bridge
from gateway.clock import WallClock
from gateway.config.load import load_bridge_settings
from gateway.errors import ConfigError
from gateway.systemd import set_up_logs

EXIT_CONFIG = 2  # a person must act: the guard does not try again at once


def main() -> int:
    """Run until SIGTERM or until the guard is gone."""
    parser = argparse.ArgumentParser(prog="gateway.bridge", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--log-json", action="store_true")
    words = parser.parse_args()
    set_up_logs(getattr(logging, words.log_level.upper()), as_json=words.log_json)
    log = logging.getLogger("gateway.bridge")
    try:
        settings = load_bridge_settings(words.config)
        bridge = Bridge(
            settings.bridged(),
            settings.mqtt,
            WallClock(),
            f"energy-gateway-{settings.site.name}-bridge",
            settings.ocpp,
        )
        asyncio.run(bridge.run(settings.bridge.port))
    except ConfigError as error:
        log.error("%s", error)
        return EXIT_CONFIG
    except OSError as error:
        log.error("port %d cannot be used: %s", settings.bridge.port, error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
