"""What is told at each report of the guard: the history, MQTT, the metrics."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from zoneinfo import ZoneInfo

from gateway import __version__
from gateway.agent.planned import PlanRecord
from gateway.agent.state import StateKeeper
from gateway.agent.status import market_state
from gateway.agent.why import DecisionRecord
from gateway.clock import Clock, runs_apart
from gateway.config.agent_settings import Dashboard
from gateway.config.secrets import is_loopback
from gateway.domain.intervals import Interval, quarter_of
from gateway.domain.readings import DeviceState, Quality, Reading, Snapshot
from gateway.domain.sentences import Sentence
from gateway.domain.user_settings import UserSettings
from gateway.errors import StorageError
from gateway.ipc.messages import GuardReport
from gateway.publishing import topics
from gateway.publishing.changes import Changes
from gateway.publishing.discovery import (
    Devices,
    HomeToDiscover,
    discovered,
    discovery_messages,
    makers,
)
from gateway.publishing.heat_outlook import heaters_now
from gateway.publishing.metrics import Counts, Metrics
from gateway.publishing.mqtt import Publisher
from gateway.publishing.outlook import PlannedHome, outlook_messages, setpoints_message
from gateway.store.history import History
from gateway.store.journal import Journal
from gateway.store.minutes import Prices


def page_url(page: Dashboard) -> str:
    """Where other machines find the page; empty where they do not."""
    if not page.enabled:
        return ""
    if page.names:
        return f"https://{page.names[0]}/"  # a proxy; one without TLS sends the browser on
    if is_loopback(page.host) or page.host in ("0.0.0.0", "::"):  # noqa: S104 - no address to go to
        return ""
    host = f"[{page.host}]" if ":" in page.host else page.host
    return f"http://{host}:{page.port}/"


class Reporting:
    """Called with each report of the guard; hands over and returns at once."""

    def __init__(
        self,
        keeper: StateKeeper,
        journal: Journal,
        past: tuple[History, DecisionRecord],
        publisher: Publisher,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._keeper, self._journal = keeper, journal
        self._history, self._decisions = past
        self._publisher, self.metrics, self._clock = publisher, metrics, clock
        self._plans = PlanRecord(past[1].store, ZoneInfo(keeper.state.settings.site.time_zone))
        self._due = clock.monotonic()
        self._unsent = 0
        settings = keeper.state.settings
        self._home = HomeToDiscover(
            publisher.base,
            settings.site.name,
            __version__,
            settings.mqtt.discovery_prefix,
            settings.mqtt.publish_s,
            settings.tariff.currency,
            page_url(settings.dashboard),
            settings.mqtt.language,
            runs_apart(clock),
            settings.programme is not None,
            bool(settings.heaters),
        )
        self._language = settings.mqtt.language
        self._known: Devices = ()
        self._changes = Changes()
        self._planned: tuple[tuple[int, Interval], list[topics.Message]] | None = None
        self._said: tuple[tuple[Sentence, ...], UserSettings] | None = None  # as told last

    def tick(self, report: GuardReport, *, remember: bool = True) -> None:
        """What has changed by much goes out at once, all else every ``publish_s``; the ledger as soon as there is something.

        Without ``remember`` the history does not hear of it: its time cannot be right.
        """
        snapshot = report.snapshot
        for poll in report.polls:
            self.metrics.polled(poll.device, poll.seconds, poll.answered)
        self._publisher.wake()
        if remember:
            self._decide(snapshot)
        if self._clock.monotonic() < self._due:
            if remember:
                self._history.add(snapshot)
            self._publish_changes(snapshot)
            return
        self._due = self._clock.monotonic() + self._keeper.state.settings.mqtt.publish_s - 1e-6
        market = market_state(self._keeper.state, self._journal, self._clock.now())
        prices = Prices(
            market.import_price_per_kwh, market.export_price_per_kwh, market.stored_value_per_kwh
        )
        if remember:
            self._history.add(snapshot, prices)
        self._publish(snapshot, market)
        self.metrics.show(snapshot, market, self._counts())

    def _publish_changes(self, snapshot: Snapshot) -> None:
        """What somebody waits for; the broker is sent only what differs."""
        base, state = self._publisher.base, self._keeper.state
        if changed := self._changes.urgent(snapshot):
            self._changes.told(changed)
            for device in changed:
                self._publisher.publish(
                    topics.device_messages(base, self._filled(device, snapshot), self._language)
                )
            self._publisher.publish(topics.site_messages(base, snapshot))
        if (said := (state.all_alarms, state.user)) != self._said:
            self._said = said
            self._publisher.publish([topics.alarms_message(base, state.all_alarms, self._language)])
            self._publisher.publish(topics.settings_messages(base, state.user))

    def _decide(self, snapshot: Snapshot) -> None:
        sold_wh = self._journal.book.commitment(quarter_of(snapshot.time))
        self._decisions.hear(self._keeper.state, snapshot.time, sold_wh)
        self._plans.hear(self._keeper.state.plan, snapshot.time)

    def _publish(self, snapshot: Snapshot, market: topics.MarketState) -> None:
        base, settings = self._publisher.base, self._keeper.state.settings
        self._changes.told(snapshot.devices.values())
        self._said = (self._keeper.state.all_alarms, self._keeper.state.user)
        devices = {name: self._filled(d, snapshot) for name, d in snapshot.devices.items()}
        told = replace(snapshot, devices=devices)
        self._publisher.publish(topics.snapshot_messages(base, told, self._language))
        self._publisher.publish(
            [topics.alarms_message(base, self._keeper.state.all_alarms, self._language)]
        )
        self._publisher.publish(topics.settings_messages(base, self._keeper.state.user))
        self._publisher.publish(topics.forecast_messages(base, self._keeper.state.forecast_score))
        self._publisher.publish(
            [topics.plan_message(base, self._keeper.state.plan, self._language)]
        )
        self._publisher.publish(
            [topics.decision_message(base, self._decisions.running, self._language)]
        )
        self._publisher.publish(
            [topics.phases_message(base, self._decisions.phases.running, self._language)]
        )
        self._publisher.publish(self._outlook())
        self._publisher.publish([setpoints_message(base, self._keeper.state.setpoints)])
        trades = settings.market is not None
        self._publisher.publish(topics.market_messages(base, market, exchange=trades))
        if settings.mqtt.home_assistant:
            self._known = discovered(snapshot, self._known)
            self._publisher.publish(
                discovery_messages(
                    self._home,
                    self._known,
                    commands=True,
                    exchange=trades,
                    made_by=makers(snapshot),
                )
            )

    def _filled(self, device: DeviceState, snapshot: Snapshot) -> DeviceState:
        """One that was not heard yet has no value of what it told before this start: null, where an old number stands."""
        if device.readings:
            return device
        known = self._publisher.remembered(device.name)
        lost = {name: Reading(name, None, Quality.STALE, snapshot.time) for name in known}
        return replace(device, readings=lost)

    def _outlook(self) -> list[topics.Message]:
        """Made again when there is a new plan, or a quarter-hour is over."""
        state, now = self._keeper.state, self._clock.now()
        of = (id(state.plan), quarter_of(now))
        if self._planned is None or self._planned[0] != of:
            battery, settings = state.battery(), state.settings
            home = PlannedHome(
                settings.site.time_zone,
                settings.tariff.currency,
                battery.capacity_wh if battery else None,
                heaters_now(settings.heaters, state.snapshot.heaters if state.snapshot else ()),
            )
            told = outlook_messages(self._publisher.base, state.plan, now, home)
            self._planned = (of, told)
        return self._planned[1]

    def _counts(self) -> Counts:
        book = self._journal.book
        with suppress(StorageError):  # a journal that cannot be read is said by those who write it
            self._unsent = self._journal.unsent_count()
        return Counts(
            tenders=book.tender_count,
            transactions=book.last_sequence,
            settled_money=book.settled_money,
            unsent_events=self._unsent,
            mqtt_messages=self._publisher.sent,
            mqtt_losses=self._publisher.losses,
            mqtt_connected=self._publisher.connected,
            control_ticks=self._keeper.state.tick,
            trading_paused=self._keeper.state.paused,
        )
