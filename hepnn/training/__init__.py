"""Fitting networks: one linear path, whatever drives the batches."""
