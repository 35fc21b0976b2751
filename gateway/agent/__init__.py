"""The process that trades and talks: metering, journal, planner, market, MQTT, page. It may only ask the guard."""
