"""The rendered documentation: `make docs`, strictly, into build/docs; its pages ask nobody outside."""

from gateway import __version__

project = "Home energy gateway"
author = "the home energy gateway's authors"
copyright = "Apache-2.0"  # noqa: A001 - Sphinx asks for this name
version = release = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"Home energy gateway {release}"
html_copy_source = False
html_show_sphinx = False
