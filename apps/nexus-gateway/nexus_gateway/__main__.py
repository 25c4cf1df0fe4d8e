"""`python -m nexus_gateway` serves; with a command it administers the gateway, see `--help`."""

from nexus_gateway.cli import main

if __name__ == "__main__":
    main()
