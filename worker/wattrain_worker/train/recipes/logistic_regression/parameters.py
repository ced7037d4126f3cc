"""What a job says of its logistic regression."""

from wattrain_api.recipe_parameters import ClassifierParameters


class LogisticRegressionParameters(ClassifierParameters):
    """A linear layer with one sigmoid a class, one against the rest."""
