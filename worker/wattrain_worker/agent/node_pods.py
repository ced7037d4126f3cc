"""The pods of a node that ask the agent for something, from the API server, and the answers that it gives them."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final, NamedTuple

from wattrain_api import names
from wattrain_api.contract.codec import decode_json, encode_json
from wattrain_api.contract.gpu_limit import GpuLimit, GpuLimitAnswer

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a pod's token and the certificate of the API server."""
_TIMEOUT_SECONDS: Final = 10
_OVER: Final = ("Succeeded", "Failed")


class ApiServerError(Exception):
    """The API server did not answer, or not what was expected."""


class AskingPod(NamedTuple):
    """A pod that asks for a limit."""

    namespace: str
    name: str
    uid: str
    limit: GpuLimit | None
    """None: what it asks for makes no sense."""
    answer: GpuLimitAnswer | None
    """The last answer that it has; None: none."""


class NodePods:
    """The pods of one node. ApiServerError."""

    def __init__(self, server: str, node: str, account: Path = ACCOUNT) -> None:
        """`server`: address of the API server, https, or http in tests."""
        self._server, self._node, self._account = server, node, account

    def asking(self) -> list[AskingPod]:
        """Those that have not ended."""
        query = urllib.parse.urlencode({
            "fieldSelector": f"spec.nodeName={self._node}", "labelSelector": names.LABEL_JOB,
        })  # fmt: skip
        found = self._ask("GET", f"/api/v1/pods?{query}")
        try:
            return [pod for item in found["items"] if (pod := _asking(item)) is not None]
        except (KeyError, TypeError, AttributeError):
            raise ApiServerError("it answers with no list of pods") from None

    def give(self, pod: AskingPod, answer: GpuLimitAnswer) -> None:
        """Have the pod carry `answer`."""
        annotations = {names.ANNOTATION_GPU_LIMIT_ANSWER: encode_json(answer).decode()}
        body = {"metadata": {"uid": pod.uid, "annotations": annotations}}  # the uid: of no pod of the same name
        self._ask("PATCH", f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}", body)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
        try:
            token = (self._account / "token").read_text().strip()  # it is replaced now and then
            headers["Authorization"] = f"Bearer {token}"
            content = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(self._server + path, content, headers, method=method)
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=self._context()) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                raise ApiServerError(f"it answers {error.code} to {method} {path.partition('?')[0]}") from None
        except (OSError, ValueError) as error:
            raise ApiServerError(f"{method} {path.partition('?')[0]}: {error}") from None

    def _context(self) -> ssl.SSLContext | None:
        if not self._server.startswith("https"):
            return None
        return ssl.create_default_context(cafile=str(self._account / "ca.crt"))


def _asking(item: dict[str, Any]) -> AskingPod | None:
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    asked = annotations.get(names.ANNOTATION_GPU_LIMIT)
    if asked is None or (item.get("status") or {}).get("phase") in _OVER:
        return None
    given = annotations.get(names.ANNOTATION_GPU_LIMIT_ANSWER)
    return AskingPod(
        metadata["namespace"], metadata["name"], metadata["uid"], decode_json(GpuLimit, asked),
        None if given is None else decode_json(GpuLimitAnswer, given),
    )  # fmt: skip
