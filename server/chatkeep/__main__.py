"""`python -m chatkeep` is `chatkeep`."""

from chatkeep.cli import main

main()
