"""From a plan to tenders, from fills and the meter to money. Pure, but for `exchanges/`."""
