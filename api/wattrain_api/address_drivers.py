"""Which packages read the addresses of data: the same for whoever checks them beforehand and for whoever reads."""

from __future__ import annotations

import importlib.util
import re
from typing import Final, NamedTuple


class Driver(NamedTuple):
    """What reads the addresses of a protocol."""

    modules: tuple[str, ...]
    """Any of these, the first one that is there."""
    package: str
    """What pip installs."""
    needs: str = ""
    """What else has to be there; empty: nothing."""


_HTTP: Final = Driver(("aiohttp",), "aiohttp")
_STORES: Final = "'wattrain[stores]'"
_S3: Final = Driver(("obstore", "s3fs"), _STORES)
_GOOGLE: Final = Driver(("obstore", "gcsfs"), _STORES)
_AZURE: Final = Driver(("obstore", "adlfs"), _STORES)
_SSH: Final = Driver(("paramiko",), "paramiko")
_HADOOP: Final = Driver(("pyarrow",), "pyarrow", "Java and Hadoop's library libhdfs, which webhdfs:// does without")
_DRIVERS: Final[dict[str, Driver]] = {
    "http": _HTTP,
    "https": _HTTP,
    "s3": _S3,
    "s3a": _S3,
    "gs": _GOOGLE,
    "gcs": _GOOGLE,
    "abfs": _AZURE,
    "abfss": _AZURE,
    "az": _AZURE,
    "hdfs": _HADOOP,
    "webhdfs": Driver(("requests",), "requests"),
    "sftp": _SSH,
    "ssh": _SSH,
    "hf": Driver(("huggingface_hub",), "huggingface_hub"),
}


def protocols_of(uri: str) -> tuple[str, ...]:
    """The protocols of an address, the outer one first: `simplecache` and `s3` of `simplecache::s3://bucket/a.csv`."""
    return tuple(each.lower() for each in re.findall(r"(?:^|(?<=::))([A-Za-z0-9+._-]+)(?=::|://)", uri))


def missing_driver(uri: str, here: str) -> str | None:
    """What is missing to read `uri`, as a sentence without the address; None: nothing that is known here.

    `here`: where it is missing, as in `this image`. Looked up, never imported.
    """
    for protocol in protocols_of(uri):
        driver = _DRIVERS.get(protocol)
        if driver is not None and driver_module(protocol) is None:
            further = f", and {driver.needs}" if driver.needs else ""
            return f"needs {driver.modules[0]}{further}, which {here} lacks; pip install {driver.package}"
    return None


def needed_beside_package(protocol: str) -> str:
    """What reads addresses of `protocol` needs beside its package; empty: nothing that is known."""
    return _DRIVERS[protocol].needs if protocol in _DRIVERS else ""


def driver_module(protocol: str) -> str | None:
    """The module that is to read addresses of `protocol`; None: none that is known is installed."""
    driver = _DRIVERS.get(protocol)
    modules = () if driver is None else driver.modules
    return next((module for module in modules if importlib.util.find_spec(module) is not None), None)
