"""Agents that go wrong: program texts that stand in the agent's place, over the real socket."""

from __future__ import annotations

_HEAD = """
import argparse, datetime, os, signal, socket, sys, time
from gateway.domain.order import IntervalTerms, Order, StandingSettings
from gateway.domain.intervals import quarter_of
from gateway.ipc.framing import framed
from gateway.ipc.messages import ORDERS
parser = argparse.ArgumentParser()
parser.add_argument("--fd", type=int)
parser.add_argument("--clock")
words, _ = parser.parse_known_args()
link = socket.socket(fileno=words.fd)

def send(lease_s=60.0, **changes):
    now = datetime.datetime.now(datetime.UTC)
    settings = StandingSettings(reserve_pct=20.0, **{"battery": "hold", **changes})
    order = Order(now, now + datetime.timedelta(seconds=lease_s), settings)
    link.sendall(framed(ORDERS.encode(order)))

"""

HOLDS = _HEAD + "while True:\n    send()\n    time.sleep(0.2)\n"
HOLDS_BRIEFLY = _HEAD + "send(lease_s=2.0)\nsignal.pause()\n"
SPINS = _HEAD + "send()\nwhile True:\n    pass\n"
SLEEPS = _HEAD + "send()\nsignal.pause()\n"
EATS_MEMORY = _HEAD + (
    "send()\neaten = []\nwhile True:\n    eaten.append(bytearray(os.urandom(1 << 20)) * 8)\n"
    "    send()\n    time.sleep(0.05)\n"
)
FLOODS = _HEAD + "while True:\n    send()\n"
TALKS_NONSENSE = _HEAD + "send()\nlink.sendall(b'\\x00\\x00\\x00\\x04nope')\nsignal.pause()\n"
CLAIMS_TOO_MUCH = (
    _HEAD + "send()\nlink.sendall(b'\\xff\\xff\\xff\\xff' + b'x' * 100)\nsignal.pause()\n"
)
HANGS_UP = _HEAD + "send()\nlink.close()\nsignal.pause()\n"
ENDS_AT_ONCE = _HEAD + "sys.exit(1)\n"
DIES = _HEAD + "send()\nos.kill(os.getpid(), signal.SIGSEGV)\n"
DIES_OF_A_NAMELESS_SIGNAL = _HEAD + "send()\nos.kill(os.getpid(), signal.SIGRTMIN + 6)\n"
TIME_WITHOUT_ZONE = _HEAD + (
    "now = datetime.datetime.now(datetime.UTC)\n"
    "order = Order(now, now + datetime.timedelta(seconds=60), StandingSettings(reserve_pct=20.0))\n"
    "while True:\n"
    "    link.sendall(framed(ORDERS.encode(order).replace(b'Z\"', b'\"', 1)))\n"
    "    time.sleep(0.2)\n"
)
LARGE = _HEAD + (
    "while True:\n"
    "    link.sendall(framed(ORDERS.encode(Order(datetime.datetime.now(datetime.UTC), "
    "datetime.datetime.now(datetime.UTC), StandingSettings(20.0))) + b' ' * 500_000))\n"
)
# More than a pipe and its reader hold; not for ever, for then a slow reader never leaves room for the guard's own lines.
FILLS_THE_LOG = _HEAD + (
    "send()\nfor _ in range(250):\n    os.write(2, b'much ado\\n' * 500)\n"
    "os.write(2, b'enough\\n')\ntime.sleep(3600)\n"
)
OUT_OF_RANGE = _HEAD + (
    "while True:\n"
    "    now = datetime.datetime.now(datetime.UTC)\n"
    "    settings = StandingSettings(reserve_pct=-5.0, export_limit_w=1e12)\n"
    "    order = Order(now, now + datetime.timedelta(days=400), settings)\n"
    "    link.sendall(framed(ORDERS.encode(order)))\n"
    "    time.sleep(0.2)\n"
)
