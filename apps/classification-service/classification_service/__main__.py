"""`python -m classification_service`: the server, and the same work from the command line."""

import sys

from classification_service.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
