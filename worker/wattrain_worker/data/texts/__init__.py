"""Samples of the kind `text`: documents, their tokens, and what models of language are trained on."""
