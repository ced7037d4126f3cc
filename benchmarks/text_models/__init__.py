"""Models of texts beside those of the package transformers."""
