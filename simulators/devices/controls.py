"""SunSpec models 123 and 124: what they let others limit, and how that ends by itself."""

from __future__ import annotations

from simulators.devices.registers import Block, Setting, limited, whole
from simulators.devices.sunspec import Model
from simulators.devices.view import View

# Model 124: offsets of the writable points
_MODE, _RESERVE, _OUT_RATE, _IN_RATE = 5, 7, 12, 13
_WINDOW, _REVERT, _RAMP, _GRID_CHARGE = 14, 15, 16, 17
_FULL_RATE = 10000  # 100.00 %

# Model 123
_CONN_WINDOW, _CONN_REVERT, _CONN = 2, 3, 4
_LIMIT_PCT, _LIMIT_WINDOW, _LIMIT_REVERT, _LIMIT_RAMP, _LIMIT_ON = 5, 6, 7, 8, 9

BATTERY_V = 410.0


class StorageControl:
    """Model 124: limits of charge and discharge, negative ones force; reverts by its own timer."""

    def __init__(self, view: View) -> None:
        self._view, self._home = view, view.home
        home = view.home
        battery = home.house.battery
        self._reference_w = battery.max_charge_w  # WChaMax: 100 % of both rates, as on Fronius
        self.settings = {
            _MODE: Setting(0, 0, 3),
            _RESERVE: Setting(round(battery.min_soc_pct * 100), 0, _FULL_RATE),
            _OUT_RATE: Setting(_FULL_RATE, -_FULL_RATE, _FULL_RATE),
            _IN_RATE: Setting(_FULL_RATE, -_FULL_RATE, _FULL_RATE),
            _WINDOW: Setting(0),
            _REVERT: Setting(0),
            _RAMP: Setting(0),
            _GRID_CHARGE: Setting(1, 0, 1),
        }
        self.model = Model(124, 24, self._fill, self.settings, self._written)
        self._apply()

    def _written(self, offsets: frozenset[int]) -> None:
        if offsets & {_MODE, _OUT_RATE, _IN_RATE, _REVERT}:
            seconds = self.settings[_REVERT].value
            running = seconds > 0 and self.settings[_MODE].value != 0
            self._home.timer("124", seconds if running else None, self.neutral)
        self._apply()

    def neutral(self) -> None:
        """What the reversion timer, or a reboot, does: no limit is active."""
        self._home.timer("124", None, self.neutral)
        self.settings[_MODE].value = 0
        self.settings[_OUT_RATE].value = self.settings[_IN_RATE].value = _FULL_RATE
        self._apply()

    def _apply(self) -> None:
        setting, reference = self.settings, self._reference_w
        mode = setting[_MODE].value
        self._home.command(
            charge_limit_w=reference * setting[_IN_RATE].value / _FULL_RATE if mode & 1 else None,
            discharge_limit_w=(
                reference * setting[_OUT_RATE].value / _FULL_RATE if mode & 2 else None
            ),
            grid_charge=setting[_GRID_CHARGE].value == 1,
            reserve_pct=setting[_RESERVE].value / 100.0,
        )

    def _fill(self, block: Block) -> None:
        soc = self._view.soc_pct()
        block.u16(2, limited(self._reference_w, 0, 65534), 100, 100)
        block.u16(6, None)
        block.u16(8, whole(soc, 100), None, round(BATTERY_V * 10))
        block.u16(11, self._charge_state(soc))
        block.i16(18, 0, 0, None, -2, -2, None, -1, -2)

    def _charge_state(self, soc: float) -> int:
        """ChaSt of model 124: 2 empty, 3 discharging, 4 charging, 5 full, 6 holding."""
        power = self._home.state().powers.battery
        if abs(power) >= 10:
            return 3 if power > 0 else 4
        if soc >= 99.5:
            return 5
        return 2 if soc <= self.settings[_RESERVE].value / 100.0 + 0.5 else 6


class GenerationControl:
    """Model 123: the limit of generation and the connection, with their reversion timers."""

    def __init__(self, view: View) -> None:
        self._home = view.home
        self.settings = {
            _CONN_WINDOW: Setting(0),
            _CONN_REVERT: Setting(0),
            _CONN: Setting(1, 0, 1),
            _LIMIT_PCT: Setting(_FULL_RATE, 0, _FULL_RATE),
            _LIMIT_WINDOW: Setting(0),
            _LIMIT_REVERT: Setting(0),
            _LIMIT_RAMP: Setting(0),
            _LIMIT_ON: Setting(0, 0, 1),
        }
        self.model = Model(123, 24, self._fill, self.settings, self._written)

    def _written(self, offsets: frozenset[int]) -> None:
        setting = self.settings
        if offsets & {_LIMIT_PCT, _LIMIT_REVERT, _LIMIT_ON}:
            seconds = setting[_LIMIT_REVERT].value
            running = seconds > 0 and setting[_LIMIT_ON].value == 1
            self._home.timer("123 limit", seconds if running else None, self._unlimit)
        if offsets & {_CONN, _CONN_REVERT}:
            seconds = setting[_CONN_REVERT].value
            running = seconds > 0 and setting[_CONN].value == 0
            self._home.timer("123 connection", seconds if running else None, self._connect)
        self._apply()

    def neutral(self) -> None:
        """What a reboot does."""
        self._unlimit()
        self._connect()

    def _unlimit(self) -> None:
        self._home.timer("123 limit", None, self._unlimit)
        self.settings[_LIMIT_ON].value = 0
        self.settings[_LIMIT_PCT].value = _FULL_RATE
        self._apply()

    def _connect(self) -> None:
        self._home.timer("123 connection", None, self._connect)
        self.settings[_CONN].value = 1
        self._apply()

    def _apply(self) -> None:
        rating = self._home.house.inverter.ac_rating_w
        limit = rating * self.settings[_LIMIT_PCT].value / _FULL_RATE
        self._home.command(
            pv_limit_w=limit if self.settings[_LIMIT_ON].value else None,
            connected=self.settings[_CONN].value == 1,
        )

    @staticmethod
    def _fill(block: Block) -> None:
        block.i16(10, 0)
        block.u16(11, 0, 0, 0, 0)
        block.i16(15, None)
        block.u16(16, 100)
        block.i16(17, None)
        block.u16(18, 0, 0, 0, 0, 0)
        block.i16(23, -2, -3, 0)
