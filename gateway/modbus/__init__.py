"""Registers over the wire: connection, pure decoding, SunSpec, scan."""
