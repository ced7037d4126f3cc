"""Keys and certificates of a test cluster, made by the openssl command (3.0 or newer)."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.unavailable import UnavailableError

_CONFIG = "[req]\ndistinguished_name = dn\n[dn]\n"  # the system's own would make an authority of every certificate
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
_NEW_AUTHORITY_KEY = ("-newkey", "rsa:2048", "-noenc")
"""As kubeadm makes it. With every request of a client that has a certificate the API server verifies what the authority
signed: that took a tenth of its CPU time with an elliptic curve."""


@dataclass(frozen=True)
class KeyPair:
    """Files of a certificate and its private key, PEM."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority whose files are in a folder; what it signs is valid for two days."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.own = self.pair("ca")

    @classmethod
    def new(cls, folder: Path) -> Self:
        """Make one in `folder`, which may not exist yet."""
        if shutil.which("openssl") is None:
            raise UnavailableError("certificates need the openssl command: install the package openssl")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "openssl.cnf").write_text(_CONFIG, encoding="utf-8")
        made = cls(folder)
        made._request("ca", "/CN=wattrain-test-authority", "basicConstraints=critical,CA:TRUE")
        return made

    def pair(self, name: str) -> KeyPair:
        """The files of what was signed under `name`."""
        return KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")

    def serving(self, name: str, hosts: list[str]) -> KeyPair:
        """A server's certificate for `hosts`, names or IPv4 addresses."""
        names = ",".join(f"IP:{host}" if host.replace(".", "").isdigit() else f"DNS:{host}" for host in hosts)
        return self._signed(name, f"/CN={name}", f"subjectAltName={names}", "extendedKeyUsage=serverAuth")

    def client(self, name: str, user: str, groups: tuple[str, ...] = ()) -> KeyPair:
        """A client's certificate, in files called `name`: Kubernetes reads the user from CN and the groups from O."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        return self._signed(name, subject, "extendedKeyUsage=clientAuth")

    def signing(self, name: str) -> KeyPair:
        """A key that signs tokens of service accounts."""
        return self._signed(name, f"/CN={name}")

    def _signed(self, name: str, subject: str, *extensions: str) -> KeyPair:
        own = ("-CA", str(self.own.certificate), "-CAkey", str(self.own.key))
        return self._request(name, subject, "basicConstraints=critical,CA:FALSE", *extensions, signer=own)

    def _request(self, name: str, subject: str, *extensions: str, signer: tuple[str, ...] = ()) -> KeyPair:
        pair = self.pair(name)
        key = _NEW_KEY if signer else _NEW_AUTHORITY_KEY
        command = ["openssl", "req", "-x509", "-config", str(self.folder / "openssl.cnf"), *key, *signer]
        command += ["-days", "2", "-subj", subject, "-out", str(pair.certificate), "-keyout", str(pair.key)]
        for extension in extensions:
            command += ["-addext", extension]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"openssl could not make a certificate; it must be 3.0 or newer:\n{done.stderr}")
        return pair
