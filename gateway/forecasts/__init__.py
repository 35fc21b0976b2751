"""What is expected: load, PV and market price of the coming quarter-hours; weather services behind a port."""
