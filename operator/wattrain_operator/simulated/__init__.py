"""The simulated backend: a cluster in virtual time that can fail in every way, to prove the core on.

`world` is the truth, `shell` the operator that sees it through a lagging cache, `simulation` both together and all
moves that can happen, `invariants` what must hold after every move, `explore` the walk over all states.
"""
