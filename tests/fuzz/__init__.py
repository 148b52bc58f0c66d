"""Random networks of the vocabulary's words, and whether every target repeats their bits."""
