"""The process that owns the devices: it reads no journal, opens no network port but Modbus, believes no order beyond its limits."""
