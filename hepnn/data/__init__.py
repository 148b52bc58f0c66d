"""Datasets: named inputs with units, labels and splits, loaded the same from every source."""
