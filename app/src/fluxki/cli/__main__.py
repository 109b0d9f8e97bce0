"""`python -m fluxki.cli` is `fluxki`."""

from fluxki.cli import main

main(prog_name="fluxki")
