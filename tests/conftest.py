"""For all folders of tests: clusters, and the comparison of rights at the end of a run."""

pytest_plugins = ("harness.fixtures", "harness.rights_check")
