"""By night: would another way to forecast have earned this home more? The last weeks are replayed beside the agent.

The replays run in a process of their own (`gateway.agent.trial_process`), once a night at most. What it finds holds over a
restart; a way that no longer earns more is given up the next night. Nothing waits for it and nothing depends on it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from gateway.agent.state import StateKeeper
from gateway.agent.status import local_midnight
from gateway.agent.trial_question import Answer, Question, ask
from gateway.clock import Clock
from gateway.config.settings import Settings
from gateway.domain.intervals import iso, parse_utc
from gateway.domain.sentences import Sentence, sentence
from gateway.errors import StorageError
from gateway.forecasts.variants import BY_NAME, USUAL, Variant
from gateway.store.settings import SettingsStore

log = logging.getLogger(__name__)

NAME = "forecast_trial"  # in the store of settings
_AT = timedelta(hours=2, minutes=20)  # local: the house sleeps, and no price is published then
_NIGHT = timedelta(hours=3)

_NONSENSE = (ValueError, LookupError, TypeError, ArithmeticError)

Asks = Callable[[datetime, str], Question | str]  # at that time, of a home that forecasts so


@dataclass(frozen=True, slots=True)
class Choice:
    """How is forecast, by `Variant.name`, since when, and what that would have earned more a day than the usual way, over
    ``days``; ``tried`` is when it was last asked."""

    variant: str = USUAL.name
    since: str = ""
    gain: float = 0.0
    days: int = 0
    tried: str = ""

    @property
    def note(self) -> Sentence | None:
        """For people; None while the forecasts are the usual ones."""
        if self.variant == USUAL.name:
            return None
        return sentence(
            "other_forecasts",
            day=self.since[:10],
            what=BY_NAME[self.variant].words,
            money=f"{self.gain:.2f}",
            count=str(self.days),
        )


class ForecastTrial:
    """Runs the trial each night. ``question`` says what is asked, or why nothing is; ``adopt`` takes the variant that
    is forecast with from now on, and the sentence for people."""

    def __init__(
        self,
        settings: Settings,
        store: SettingsStore,
        clock: Clock,
        question: Asks,
        adopt: Callable[[Variant, Sentence | None], object],
    ) -> None:
        self._settings, self._store, self._clock = settings, store, clock
        self._question, self._adopt = question, adopt
        self.choice = _stored(store) if settings.planner.trials else Choice()
        self._use()
        if self.choice.note:
            log.info("%s", self.choice.note)

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._clock.sleep_until(self._due(self._clock.now()))
            try:
                await self.tonight()
            except (StorageError, *_NONSENSE) as error:  # a past that no replay can be made of
                log.warning("the trial of forecasts failed (%s); they stay as they are", error)

    def _due(self, now: datetime) -> datetime:
        """The next night's hour, or now, where this night's was missed by little."""
        zone = self._settings.site.time_zone
        due = local_midnight(now, zone) + _AT
        tried = parse_utc(self.choice.tried) if self.choice.tried else None
        if now < due:
            return due
        if now < due + _NIGHT and (tried is None or tried < due):
            return now
        return local_midnight(due + timedelta(days=1), zone) + _AT

    async def tonight(self) -> None:
        """One trial, and what follows from it."""
        now = self._clock.now()
        self._keep(replace(self.choice, tried=iso(now)))  # whatever comes of it, once a night
        question = self._question(now, self.choice.variant)
        answer = Answer(why_not=question) if isinstance(question, str) else await _answer(question)
        if answer is not None and answer.why_not:
            log.debug("forecasts are not tried: %s", answer.why_not)
        elif answer is not None:
            self._keep(self._chosen(self.choice, answer))
        self._use()

    def _keep(self, choice: Choice) -> None:
        self.choice = choice
        with suppress(StorageError):  # then it is asked again after a restart, no more
            self._store.setting(NAME, json.dumps(asdict(choice)))

    def _use(self) -> None:
        self._adopt(BY_NAME[self.choice.variant], self.choice.note)

    def _chosen(self, former: Choice, found: Answer) -> Choice:
        if found.variant not in BY_NAME:
            raise ValueError(f"no way to forecast is called {found.variant[:40]!r}")
        since = former.since if found.variant == former.variant else former.tried
        made = replace(former, variant=found.variant, since=since, gain=found.gain, days=found.days)
        _say(former, made, found.least)
        return made


def question_of(
    keeper: StateKeeper, files: tuple[Path, Path], now: datetime, used: str
) -> Question | str:
    """What is asked of this home, or why nothing is. ``files``: of the account and of the history."""
    state, settings = keeper.state, keeper.state.settings
    battery = state.battery()
    if battery is None:
        return "there is no battery that is planned"
    if not settings.tariff.says_import:
        return "what import costs is not stated"
    return Question(settings, now, used, battery, *files, state.feeds, state.prices)


def _say(former: Choice, now: Choice, least: float) -> None:
    if now.variant == former.variant:
        return
    if now.variant == USUAL.name:
        words = BY_NAME[former.variant].words
        log.info("%s, no longer earns more: the usual forecasts are used again", words)
    else:
        log.info("%s (at least %.2f in all likelihood)", now.note, least)


async def _answer(question: Question) -> Answer | None:
    """What the trial found; None where its process did not say."""
    try:
        return await ask(question)
    except TimeoutError:
        log.warning("the trial of forecasts took too long; they stay as they are")
    except (OSError, *_NONSENSE) as error:
        log.warning("the trial of forecasts failed (%s); they stay as they are", error)
    return None


def _stored(store: SettingsStore) -> Choice:
    try:
        text = store.setting(NAME)
        choice = Choice() if text is None else Choice(**json.loads(text))
        if choice.tried:
            parse_utc(choice.tried)
    except (StorageError, ValueError, TypeError):
        return Choice()
    return choice if choice.variant in BY_NAME else Choice()
