"""When the day-ahead markets publish the next day, in their own time zones."""

from __future__ import annotations

from datetime import time, timedelta
from zoneinfo import ZoneInfo

from gateway.feeds import Calendar

# SDAC results are due at 12:57 CET, in a decoupling at 14:00 or later; platforms take them over within the hour.
EUROPE = Calendar(ZoneInfo("Europe/Brussels"), time(13, 0))
# Agile: 'usually between 4 and 8 pm', for the day from 23 to 23 o'clock
LONDON = Calendar(
    ZoneInfo("Europe/London"), time(16, 0), short=timedelta(hours=1), late=timedelta(hours=5)
)
TEXAS = Calendar(ZoneInfo("America/Chicago"), time(13, 30))
CALIFORNIA = Calendar(ZoneInfo("America/Los_Angeles"), time(13, 0))
TEXAS_NOW = Calendar(TEXAS.zone, None, timedelta(hours=1))
CALIFORNIA_NOW = Calendar(CALIFORNIA.zone, None, timedelta(hours=1))
PENNSYLVANIA = Calendar(ZoneInfo("America/New_York"), time(13, 30))
PENNSYLVANIA_NOW = Calendar(PENNSYLVANIA.zone, None, timedelta(hours=4))
EUROPE_NOW = Calendar(EUROPE.zone, None)
LONDON_NOW = Calendar(LONDON.zone, None)
AUSTRALIA_NOW = Calendar(ZoneInfo("Australia/Brisbane"), None, timedelta(hours=1))  # NEM time
