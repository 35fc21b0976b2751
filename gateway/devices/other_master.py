"""Is somebody else at this device? Asked before the first release, of what we did not set ourselves.

Modbus knows no sessions: a second gateway or another controller shows only by what it writes. A setpoint
that stands there and is not ours may be what a dead program left, or the work of one that lives. So it
is said, and watched for a while: one who lives writes again. While it changes, the device is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from gateway.clock import Clock
from gateway.domain.control import Control
from gateway.domain.sentences import Sentence, sentence

log = logging.getLogger(__name__)

WATCH_S = 30.0  # controllers renew or change what they hold every few seconds
QUIET_S = 900.0  # after so long without another write it is taken as left behind

Words = Mapping[Control, Mapping[int, int]]  # registers that steer, by control


class OtherMaster:
    """What was seen of one device's foreign setpoints."""

    def __init__(self, device: str, clock: Clock) -> None:
        self._device, self._clock = device, clock
        self._seen: Words = {}
        self._until: float | None = None
        self._written = False
        self.says: Sentence | None = None

    def look(self, words: Words) -> Sentence | None:
        """``words`` are the registers that steer and are not ours; what to tell people while the device is to be
        left alone, None when it may be released."""
        now = self._clock.monotonic()
        if not any(words.values()):
            self._done("is neutral again")
            return None
        if self._until is None:
            self._until = now + WATCH_S
            control, address, word = next(
                (c, a, w) for c, ours in words.items() for a, w in ours.items()
            )
            self.says = sentence(
                "another_controller.set",
                self._device,
                control=control.value,
                register=str(address),
                word=str(word),
                seconds=f"{WATCH_S:.0f}",
            )
            log.warning("%s", self.says)
        elif changed := _changed(self._seen, words):
            if not self._written:
                minutes = f"{QUIET_S / 60:.0f}"
                self.says = sentence(
                    "another_controller", self._device, what=changed, minutes=minutes
                )
                log.error("%s", self.says)
            self._written = True
            self._until = now + QUIET_S
        self._seen = words
        if now >= self._until:
            self._done("did not change")
        return self.says

    def _done(self, why: str) -> None:
        if self._until is not None:
            log.info(
                "%s: what was set by another %s; it is released and steered", self._device, why
            )
        self._until, self.says, self._written, self._seen = None, None, False, {}


def _changed(before: Words, now: Words) -> Sentence | None:
    """The first register that reads otherwise than before."""
    for control, words in now.items():
        for address, word in words.items():
            was = before.get(control, {}).get(address, word)
            if was != word:
                return sentence(
                    "another_controller.changed", register=str(address), was=str(was), now=str(word)
                )
    return None
