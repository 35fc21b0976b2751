"""`python -m gateway.agent`: the agent's process, started by the guard with a socket to it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from gateway import ending
from gateway.agent.serve import serve
from gateway.clock import wall_clock_of
from gateway.errors import ConfigError
from gateway.systemd import set_up_logs

EXIT_CONFIG = 2  # a person must act: the guard does not try again at once


def main() -> int:
    """Run until SIGTERM or until the guard is gone."""
    words = _parser().parse_args()
    set_up_logs(getattr(logging, words.log_level.upper()), as_json=words.log_json)
    try:
        ending.run(serve(words.config, wall_clock_of(words.clock), words.fd))
    except ConfigError as error:
        logging.getLogger("gateway.agent").error("%s", error)
        return EXIT_CONFIG
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway.agent", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--clock", required=True, help="start,rate,anchor of the guard's clock")
    parser.add_argument("--fd", type=int, required=True, help="the socket to the guard")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--log-json", action="store_true")
    return parser


if __name__ == "__main__":
    ending.leave(main())
