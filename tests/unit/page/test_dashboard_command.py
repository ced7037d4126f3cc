"""`wattrain dashboard`: what it refuses."""

import pytest
from typer.testing import CliRunner

from wattrain_operator.cli.app import app


@pytest.mark.parametrize(("arguments", "told"), [
    ([], "give either directories of runs, or --prometheus with an address"),
    (["somewhere", "--prometheus", "http://x"], "give either directories of runs, or --prometheus with an address"),
    (["no/such/run"], "no/such/run: holds no run; give the directory that `wattrain run` names"),
    (["--prometheus", "x:9090"], "--prometheus x:9090: is no address of a Prometheus; write one as in http://127.0.0.1:9090"),
    (["somewhere", "--token-file", "t"], "--token-file is for a Prometheus: give its address with --prometheus"),
    (["--prometheus", "https://x", "--token-file", "no/such"],
     "--token-file no/such: no token can be read (No such file or directory)"),
    (["--prometheus", "http://me:secret@x"], "--prometheus: x would be sent the password unencrypted; use https, or "
     "let `wattrain dashboard` do so with --allow-plain-http"),
    (["--prometheus", "http://me:secret@:9"],
     "--prometheus what was given: is no address of a Prometheus; write one as in http://127.0.0.1:9090"),
])  # fmt: skip
def test_bad_input_is_refused_with_what_to_write(arguments, told):
    done = CliRunner().invoke(app, ["dashboard", *arguments])
    assert (done.exit_code, done.stderr) == (2, f"error: {told}\n")
