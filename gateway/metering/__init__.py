"""Energy of intervals: from the meter's counters for the account, from powers for the forecast."""
