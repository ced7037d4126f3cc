"""What is relied on of the inside of asyncio."""

import asyncio
import ssl
from asyncio import sslproto

from wattrain_operator.cluster.kube import compat

from .relied_on import relies_on


def test_a_tls_connection_keeps_a_buffer_of_one_record(monkeypatch):
    def buffer_bytes():
        async def main():
            loop = asyncio.get_running_loop()
            context = ssl.create_default_context()
            protocol = sslproto.SSLProtocol(loop, asyncio.Protocol(), context, loop.create_future())
            protocol._get_app_transport().close()  # or else it complains that nobody did
            return len(protocol._ssl_buffer)

        return asyncio.run(main())

    with relies_on("asyncio", "limit_tls_buffers"):
        monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)  # put back afterwards
        assert buffer_bytes() > compat.TLS_RECORD_BYTES
        compat.limit_tls_buffers()
        assert buffer_bytes() == compat.TLS_RECORD_BYTES
