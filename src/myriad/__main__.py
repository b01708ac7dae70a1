"""`python -m myriad` is `myriad`."""

from myriad.cli import main

main()
