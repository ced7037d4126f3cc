"""What a job says of its linear regression."""

from wattrain_api.recipe_parameters import RegressorParameters


class LinearRegressionParameters(RegressorParameters):
    """A linear layer that predicts a number, by least squares."""
