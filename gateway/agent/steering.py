"""Commands become the user's settings, take effect at the guard's next tick, and are answered after read-back."""

from __future__ import annotations

from collections.abc import Callable

from gateway.agent.car_soc import standing
from gateway.agent.operator_steering import TICKS, OperatorSteering
from gateway.agent.state import StateKeeper
from gateway.agent.user_settings import SettingsKeeper
from gateway.clock import Clock
from gateway.domain.command_specs import COMMANDS
from gateway.domain.operator_commands import OPERATOR_COMMANDS
from gateway.domain.sentences import Sentence, reason_of, sentence
from gateway.domain.user_settings import SETTINGS, UserSettings
from gateway.errors import StorageError
from gateway.publishing.commands import Command, CommandResult, done, failed
from gateway.store.journal import Journal

POWER_MARGIN_W = 200.0  # of a held battery: its own consumption and the meter's noise


class HomeSteering:
    """Carries out what `gateway.publishing.commands` has checked."""

    def __init__(
        self,
        keeper: StateKeeper,
        user: SettingsKeeper,
        journal: Journal,
        clock: Clock,
        order: Callable[[], None],
    ) -> None:
        """``order`` tells the guard at once what has changed."""
        self._keeper, self._user, self._journal = keeper, user, journal
        self._clock, self._order = clock, order
        self._operator = OperatorSteering(keeper, journal, clock, order)

    async def apply(self, command: Command) -> CommandResult:
        """Store the setting, let it take effect, read the home back."""
        if command.name in OPERATOR_COMMANDS:
            return await self._operator.apply(command)
        new = self._within(self._keeper.state.user.changed(command.changes))
        refusal = self._refusal(command, new)
        if refusal is not None:
            return failed(command, "not_possible", refusal)
        try:
            self._user.change(new)
            note = f"command {command.name}: {COMMANDS[command.name].shown(new)}"
            self._journal.append("note", {"text": note}, self._clock.now())
        except StorageError as error:
            return failed(command, "storage", reason_of(error))
        self._order()
        result = self._read_back(command, after_reports=0)
        for count in range(1, TICKS + 1):
            if result.status == "ok":
                break
            await self._keeper.next_report()
            result = self._read_back(command, after_reports=count)
        return result

    def _within(self, new: UserSettings) -> UserSettings:
        """No limit of one's own is that of the connection, where it has one."""
        limit_w = self._keeper.state.settings.site.export_limit_w
        return new if new.export_limit_w is not None else new.changed({"export_limit_w": limit_w})

    def _refusal(self, command: Command, new: UserSettings) -> Sentence | None:
        settings = self._keeper.state.settings
        if command.name == "trading" and settings.market is None:
            return sentence("refused.no_exchange")
        if command.name == "programme" and settings.programme is None:
            return sentence("refused.no_programme")
        limit_w, wanted_w = settings.site.export_limit_w, new.export_limit_w
        if command.name == "export_limit_w" and limit_w is not None and (wanted_w or 0) > limit_w:
            return sentence("refused.connection", limit=f"{limit_w:g}")
        snapshot = self._keeper.state.snapshot
        if command.name == "charge_now" and new.charge_now and snapshot is not None:
            if snapshot.car_plugged is None:
                return sentence("refused.no_charger")
            if not snapshot.car_plugged:
                return sentence("refused.no_car")
        return None

    def _read_back(self, command: Command, after_reports: int) -> CommandResult:
        """What holds now: the guard has it in its report, and a device that should follow does.

        A setting that the guard does not keep holds as soon as it is stored.
        """
        state = self._keeper.state
        applied = COMMANDS[command.name].shown(state.user)
        kept = [SETTINGS[name].standing for name in command.changes if SETTINGS[name].standing]
        if not kept:
            return done(command, applied)
        report = state.report
        if report is None or not after_reports:
            return failed(command, "not_seen", sentence("refused.no_device"))
        wanted = standing(state, self._clock.now())  # a later command may have changed it again
        if any(getattr(report.settings, name) != getattr(wanted, name) for name in kept):
            return failed(command, "not_seen", sentence("refused.not_taken"))
        if command.name == "battery" and state.user.battery == "hold":
            power_w = report.snapshot.battery_w
            if power_w is None:
                return failed(command, "not_seen", sentence("refused.no_battery"))
            if abs(power_w) > POWER_MARGIN_W:
                why = sentence("refused.still_moves", power=f"{power_w:.0f}")
                return failed(command, "no_effect", why)
            applied = {"battery": "hold", "battery_power_w": power_w}
        return done(command, applied)
