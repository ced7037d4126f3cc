"""The simulated backend: a cluster in virtual time that can fail in every way, to prove the core on.

`world` is the truth, `simulated_operator` the operator that sees it through a lagging cache, `simulation` both together
and all moves that can happen, `invariants` what must hold after every move, `explore` the walk over all states of one
job. `fleet_simulation` joins several of them under one PowerDomain, `fleet_operator` decides who of them may run, and
`explore_fleet` is the walk over all states of two.
"""
