"""Messages to a person's phone or mail by apprise, an extra: off unless there is a table [notify].

The addresses hold secrets, so they stand in a file or systemd credential, one a line. A service that does not take a message is said
once; a message that nobody took is dropped, for the page has it too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from importlib.util import find_spec
from zoneinfo import ZoneInfo

from gateway import __version__
from gateway.agent.billing import SettingStore
from gateway.agent.notices import (
    Kind,
    Notice,
    Notices,
    Rules,
    of_the_home,
    sale_of,
    update_of,
)
from gateway.agent.state import StateKeeper
from gateway.agent.status import local_midnight
from gateway.bill.home import cents
from gateway.clock import Clock
from gateway.config.agent_settings import Notify
from gateway.config.secrets import credential
from gateway.domain.trade import Side, money_text
from gateway.errors import ConfigError, StorageError
from gateway.languages import translated
from gateway.languages.sentences import told
from gateway.store.journal import Journal
from gateway.supervise import Availability

log = logging.getLogger(__name__)

VERSION = "notify.version"
LOOK_S = 20.0
SEND_S = 30.0
_SALE_AFTER = timedelta(minutes=90)  # settlements of the last quarter-hour have come by then


class Notifier:
    """Looks at the home now and then, and sends."""

    def __init__(
        self,
        settings: Notify,
        keeper: StateKeeper,
        journal: Journal,
        clock: Clock,
        version: Callable[[], str | None],
    ) -> None:
        """``version``: of the last start, None at the first. Raises ConfigError: the extra is missing, or the addresses are."""
        self._urls = addresses(settings)
        own = keeper.state.settings
        self._zone = ZoneInfo(own.site.time_zone)
        quiet = None if settings.quiet_from is None else (settings.quiet_from, settings.quiet_to)
        about = frozenset(Kind(word) for word in settings.about)
        self._notices = Notices(Rules(about, self._zone, quiet, most_a_day=settings.most_a_day))
        self._keeper, self._journal, self._clock = keeper, journal, clock
        self._site, self._language = own.site.name, own.mqtt.language
        self._update = update_of(version(), __version__)
        self._today: date | None = None
        self._bill: dict[str, str] | None = None
        self._availability = Availability("the notification service")

    async def run(self) -> None:
        """Until cancelled."""
        if self._update is not None:
            for notice in self._notices.tell(self._clock.now(), self._update):
                await self._send(notice)
        while True:
            for notice in self._look():
                await self._send(notice)
            await self._clock.sleep(LOOK_S)

    def _look(self) -> list[Notice]:
        state, now = self._keeper.state, self._clock.now()
        if state.snapshot is None:
            return []
        notes = state.plan.notes if state.plan else ()
        due = self._notices.look(now, of_the_home(state.all_alarms, notes))
        return due + self._day_over()

    def _day_over(self) -> list[Notice]:
        """Yesterday, once it is settled; at the start there is none that is known whole."""
        now, state = self._clock.now(), self._keeper.state
        here = (now - _SALE_AFTER).astimezone(self._zone).date()
        ended, self._today = self._today, here
        bill, bills = self._bill, state.bills
        if bills is not None and now.astimezone(self._zone).date() == here:
            saved = bills.today.saved_money
            self._bill = {
                "total": str(cents(bills.today.total_money)),
                "saved": "not known" if saved is None else str(cents(saved)),
            }
        if ended is None or ended == here:
            return []
        self._bill = None
        midnight = local_midnight(now, self._zone.key)
        before = local_midnight(midnight - timedelta(hours=1), self._zone.key)
        book = self._journal.book
        sold_wh = sum(
            t.quantity_wh
            for t in book.since(book.transactions, before)
            if t.interval.start < midnight and t.side is Side.SELL
        )
        earned = money_text(book.settled_since(before) - book.settled_since(midnight))
        notice = sale_of(f"{ended}", sold_wh, earned, bill, state.settings.tariff.currency)
        return [] if notice is None else self._notices.tell(now, notice)

    async def _send(self, notice: Notice) -> None:
        """In the person's language."""
        title = f"{self._site}: {translated(self._language, notice.kind.value)}"
        body = told(self._language, notice.said)
        try:
            async with asyncio.timeout(SEND_S):
                took = await asyncio.to_thread(_tell, self._urls, title, notice.kind, body)
        except TimeoutError:
            took = False
        if took:
            self._availability.back()
        else:
            self._availability.lost("it took no message; the page shows what was to be told")


def notifier(
    settings: Notify | None,
    keeper: StateKeeper,
    journal: Journal,
    clock: Clock,
    store: SettingStore,
) -> Notifier | None:
    """The one of the configuration, None where nobody wants messages; raises ConfigError."""
    if settings is None:
        return None
    return Notifier(settings, keeper, journal, clock, lambda: last_version(store))


def last_version(store: SettingStore) -> str | None:
    """The version of the last start; this one takes its place."""
    with suppress(StorageError):
        before = store.setting(VERSION)
        store.setting(VERSION, __version__)
        return before
    return None


def addresses(settings: Notify) -> tuple[str, ...]:
    """The addresses, each checked; raises ConfigError that names none of them, for they hold secrets."""
    if find_spec("apprise") is None:
        raise ConfigError(
            "[notify] needs a library: pip install 'home-energy-gateway[notify]' into the gateway's environment"
        )
    text = credential("notify", settings.urls_file, "notify.urls_file")
    if text is None:
        raise ConfigError(
            "notify.urls_file is missing (or systemd credential notify): one address a line"
        )
    lines = [line.strip() for line in text.splitlines()]
    urls = tuple(line for line in lines if line and not line.startswith("#"))
    from apprise import Apprise  # noqa: PLC0415 - an extra, and a large one

    for number, url in enumerate(urls, 1):
        if not Apprise().add(url):
            raise ConfigError(f"notify.urls_file: address {number} is none that apprise knows")
    if not urls:
        raise ConfigError("notify.urls_file holds no address")
    return urls


def _tell(urls: Sequence[str], title: str, about: Kind, body: str) -> bool:
    """Whether all of them took it; runs in a thread, for apprise waits."""
    from apprise import Apprise, NotifyType  # noqa: PLC0415

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would write addresses into the log
    to = Apprise()
    for url in urls:
        to.add(url)
    kind = NotifyType.WARNING if about in (Kind.ALARM, Kind.LIMIT) else NotifyType.INFO
    return bool(to.notify(body=body, title=title, notify_type=kind))
