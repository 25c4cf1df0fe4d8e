"""`python -m nexusctl`."""

from nexusctl.cli import main

main()
