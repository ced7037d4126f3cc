"""`wattrain operator`: hands over to the operator, whose libraries are imported only here."""

from __future__ import annotations

import typer


def operate() -> None:
    """Run the operator against a Kubernetes cluster, until SIGTERM or Ctrl-C.

    Inside a pod it signs in as its service account, elsewhere by KUBECONFIG. Settings are environment variables named
    WATTRAIN_OPERATOR_..., of which WATTRAIN_OPERATOR_WORKER_IMAGE is required.
    Exit code: 0 stopped, 1 failed or not leading any more, 2 bad input.
    """
    try:
        from wattrain_operator.cluster.serve import main
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("wattrain"):
            raise
        remedy = "pip install 'wattrain[operator]' ('.[operator]' in a clone)"
        typer.echo(f"error: {error.name} is not installed: {remedy}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(main())
