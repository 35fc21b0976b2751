"""Registers over the wire: link, pure decoding, SunSpec, scan."""
