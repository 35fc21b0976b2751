"""`python -m gateway.agent`: the agent's process, started by the guard with a socket to it."""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

EXIT_CONFIG, EXIT_ACCOUNT = 2, 3  # a person must act: the guard does not try again at once
_PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> int:
    """Run until SIGTERM or until the guard is gone."""
    _die_with_the_guard()
    words = _parser().parse_args()
    import asyncio  # noqa: PLC0415 - after the above: the guard may be gone before this is loaded

    from gateway.agent.serve import serve  # noqa: PLC0415
    from gateway.clock import wall_clock_of  # noqa: PLC0415
    from gateway.errors import ConfigError, JournalBroken  # noqa: PLC0415
    from gateway.systemd import set_up_logs  # noqa: PLC0415

    set_up_logs(getattr(logging, words.log_level.upper()), as_json=words.log_json)
    try:
        asyncio.run(serve(words.config, wall_clock_of(words.clock), words.fd))
    except ConfigError as error:
        logging.getLogger("gateway.agent").error("%s", error)
        return EXIT_CONFIG
    except JournalBroken as error:
        logging.getLogger("gateway.agent").error("%s", error)
        return EXIT_ACCOUNT
    return 0


def _die_with_the_guard() -> None:
    """However the guard ends, this process must not go on: a second agent would trade beside it."""
    parent = os.getppid()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway.agent", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--clock", required=True, help="start,rate,anchor of the guard's clock")
    parser.add_argument("--fd", type=int, required=True, help="the socket to the guard")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--log-json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
