"""An IntentStore for those who never write."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.control import Control


class NoIntents:
    """Knows of nothing to restore; for reading only. Remembering is refused."""

    def remember(self, device: str, control: Control, restore: str, time: datetime) -> None:
        raise AssertionError("a reader takes no control")

    def forget(self, device: str, control: Control) -> None:
        """Nothing is remembered."""

    def pending(self, device: str) -> dict[Control, str]:
        return {}

    def write_count(self, device: str, register: int, day: str) -> int:
        return 0

    def count_write(self, device: str, register: int, day: str) -> None:
        raise AssertionError("a reader writes nothing")
