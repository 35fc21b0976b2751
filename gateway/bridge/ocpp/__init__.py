"""The home's own charger over OCPP: it dials in, is heard, and takes the current that the guard asks for.

OCPP 1.6J and 2.0.1 over WebSocket (security profiles 1 and 2). It lives in the bridge's process: the guard reads and steers such
a charger as a Modbus device, and loads no WebSocket (docs/decisions/0016). The messages are checked against the
standard's schemas by the library ``ocpp``, an extra: ``pip install 'home-energy-gateway[ocpp]'``.
"""
