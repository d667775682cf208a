"""``python -m hakone_tools``: the ``hakone`` command."""

from hakone_tools.cli import main

main()
