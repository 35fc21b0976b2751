"""Does a device obey? What `energy-gateway verify` does, and the log that turns its controls on."""
