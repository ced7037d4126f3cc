"""The recipe `logistic-regression`."""
