"""For all folders of tests: clusters, pods of jobs, and the comparison of rights at the end of a run."""

pytest_plugins = ("harness.fixtures", "harness.job_pods", "harness.rights_check")
