"""Datasheets as data: one TOML file a family, and what turns it into a `Profile`.

The files stand beside this module; an owner's own are read from his folder (`sources`). `format` is what may
stand in one, `load` reads one, `readings` and `steering` give its words their meaning.
"""
