"""Jets of five kinds from proton collisions, generated: see :mod:`hepnn.data.jets.make`."""
