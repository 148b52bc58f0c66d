"""`python -m hepnn.cli` is `hepnn`."""

from hepnn.cli import main

main()
