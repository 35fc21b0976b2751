"""The configuration: gateway.toml, checked, and as plain values for the guard. Import its modules by name."""
