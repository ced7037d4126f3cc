"""Keys and certificates of a test cluster, made by the openssl command (3.0 or newer)."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.unavailable import UnavailableError

_CONFIG = "[req]\ndistinguished_name = dn\n[dn]\n"  # the system's own would make an authority of every certificate
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")


@dataclass(frozen=True)
class KeyPair:
    """Files of a certificate and its private key, PEM."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder; what it signs is valid for two days."""

    def __init__(self, folder: Path):
        if shutil.which("openssl") is None:
            raise UnavailableError("certificates need the openssl command: install the package openssl")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "openssl.cnf").write_text(_CONFIG, encoding="utf-8")
        self._own = self._request("ca", "/CN=wattrain-test-authority", "basicConstraints=critical,CA:TRUE")

    @property
    def certificate(self) -> Path:
        """The authority's own certificate."""
        return self._own.certificate

    def serving(self, name: str, hosts: list[str]) -> KeyPair:
        """A server's certificate for `hosts`, names or IPv4 addresses."""
        names = ",".join(f"IP:{host}" if host.replace(".", "").isdigit() else f"DNS:{host}" for host in hosts)
        return self._signed(name, f"/CN={name}", f"subjectAltName={names}", "extendedKeyUsage=serverAuth")

    def client(self, user: str, groups: tuple[str, ...] = ()) -> KeyPair:
        """A client's certificate: Kubernetes reads the user from CN and the groups from O."""
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        return self._signed(user.replace(":", "-"), subject, "extendedKeyUsage=clientAuth")

    def signing_key(self) -> KeyPair:
        """A key that signs tokens of service accounts."""
        return self._signed("service-accounts", "/CN=service-accounts")

    def _signed(self, name: str, subject: str, *extensions: str) -> KeyPair:
        own = ("-CA", str(self._own.certificate), "-CAkey", str(self._own.key))
        return self._request(name, subject, "basicConstraints=critical,CA:FALSE", *extensions, signer=own)

    def _request(self, name: str, subject: str, *extensions: str, signer: tuple[str, ...] = ()) -> KeyPair:
        pair = KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        command = ["openssl", "req", "-x509", "-config", str(self.folder / "openssl.cnf"), *_NEW_KEY, *signer]
        command += ["-days", "2", "-subj", subject, "-out", str(pair.certificate), "-keyout", str(pair.key)]
        for extension in extensions:
            command += ["-addext", extension]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UnavailableError(f"openssl could not make a certificate; it must be 3.0 or newer:\n{done.stderr}")
        return pair
