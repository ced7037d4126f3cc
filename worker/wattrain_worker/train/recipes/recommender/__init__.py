"""The recipe `recommender`."""
