"""Jobs on a cluster as a person works with them: with that person's rights, from wherever the command runs."""
