"""Learning curves and capacity: error, bias and variance over one setting of a recipe."""
