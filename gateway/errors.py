"""The error tree. The type says what the caller does.

    GatewayError
      ConfigError      tell the person, exit 2; never retried
        AlreadyRuns      another gateway has this home, exit 3; never retried
      RetryableError   back off and try again; supervised loops live on
        DeviceError      one device is lost or refuses
        BrokerError      the MQTT broker is lost
        MarketError      the exchange is lost or answers nonsense
        FeedError        a price feed gives no prices: plan with estimates that say so
        ForecastError    a weather service gives no forecast: plan with our own
      StorageError     the journal cannot store: stop bidding, keep safe control
      ErrandError      what a page asked to be worked out was not; tell the person
      JournalBroken    the stored account contradicts itself: stop and tell the person

Anything else that is raised is a bug: it ends the process, and the next start replays.
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of all errors that this project raises on purpose."""


class ConfigError(GatewayError):
    """The person must change something. One line: file, key or row, and what would be right."""


class AlreadyRuns(ConfigError):
    """Another gateway steers these devices, or has this state folder: one of the two must end."""


class RetryableError(GatewayError):
    """May go away by itself."""


class DeviceError(RetryableError):
    """A device did not answer, answered wrongly, or refused. What people are told is a `Sentence` (`reason_of`)."""


class BrokerError(RetryableError):
    """The MQTT broker is out of reach or refused us."""


class MarketError(RetryableError):
    """The exchange is out of reach or gave no usable answer; the request may have been carried out."""


class ForecastError(RetryableError):
    """A provider's forecast could not be had; the text says why, never with a key in it."""


class FeedError(RetryableError):
    """Prices could not be had, or cannot be right; the text says why, never with a key in it."""


class ErrandError(GatewayError):
    """A command that was run for the page gave nothing; the text says why."""


class StorageError(GatewayError):
    """Nothing can be stored now (disk full, read-only)."""


class JournalBroken(GatewayError):
    """The chain of the journal does not verify; the text names the first bad row."""
