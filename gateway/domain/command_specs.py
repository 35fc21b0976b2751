"""The commands that follow from the table of the user's settings: which there are, and what they take. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.sentences import reason_of, sentence
from gateway.domain.user_settings import SETTINGS, Setting, UserSettings


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """One command: the settings that it sets, several with a key each, or one alone."""

    name: str
    settings: tuple[Setting, ...]

    @property
    def bundled(self) -> bool:
        return bool(self.settings[0].key)

    @property
    def title(self) -> str:
        first = self.settings[0]
        return first.bundle.title if first.bundle else first.title

    @property
    def about(self) -> str:
        return "; ".join(setting.about for setting in self.settings)

    @property
    def unit(self) -> str:
        return "" if self.bundled else self.settings[0].kind.unit

    @property
    def allowed(self) -> str:
        """What its value may be, in words."""
        if not self.bundled:
            return self.settings[0].kind.allowed
        parts = ", ".join(f'"{setting.key}": {setting.kind.allowed}' for setting in self.settings)
        return f"{{{parts}}}, one or more"

    @property
    def urgent(self) -> bool:
        """It protects the home and never waits behind others."""
        return any(setting.urgent for setting in self.settings)

    def read(self, value: Any) -> dict[str, Any]:
        """The settings' new values by name; raises ValueError that says what would be right."""
        if not self.bundled:
            only = self.settings[0]
            return {only.name: only.kind.read(value)}
        if not isinstance(value, dict) or not value:
            raise ValueError(sentence("refused.object"))
        by_key = {setting.key: setting for setting in self.settings}
        changes = {}
        for key, part in value.items():
            setting = by_key.get(key)
            if setting is None:
                raise ValueError(sentence("refused.no_key", key=repr(str(key)[:40])))
            try:
                changes[setting.name] = setting.kind.read(part)
            except ValueError as error:
                why = sentence("refused.of_key", key=key, why=reason_of(error))
                raise ValueError(why) from error
        return changes

    def shown(self, user: UserSettings) -> Any:
        """What now holds, in the form of the command's value."""
        if not self.bundled:
            return user.shown(self.settings[0].name)
        return {setting.key: user.shown(setting.name) for setting in self.settings}


def _specs() -> dict[str, CommandSpec]:
    found: dict[str, CommandSpec] = {}
    for setting in SETTINGS.values():
        before = found[setting.command].settings if setting.command in found else ()
        found[setting.command] = CommandSpec(setting.command, (*before, setting))
    return found


COMMANDS: Mapping[str, CommandSpec] = _specs()
