"""The local backend: the same core as on a cluster, with process groups of this machine as workers."""
