"""For all folders of tests: clusters, pods of jobs, the order of tests, and the comparison of rights at the end."""

pytest_plugins = ("harness.fixtures", "harness.job_pods", "harness.order", "harness.rights_check")
