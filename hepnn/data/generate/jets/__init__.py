"""Jets of five kinds from proton collisions, generated: see `make`."""
