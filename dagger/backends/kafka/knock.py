"""Why no broker lets us in: a client of aiokafka only says that it could not reach any."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from aiokafka import errors
from aiokafka.conn import create_conn
from aiokafka.protocol.metadata import MetadataRequest

from dagger.backends.kafka.options import Options
from dagger.backends.kafka.words import told
from dagger.errors import BackendError, BackendUnavailable

KNOCK_S: Final = 5.0
"""How long is waited for one broker, in seconds."""


async def refusal(options: Options) -> BackendError:
    """Come to each broker as a client does, and tell what happens: of what will last, if one says such a thing."""
    found: BackendError = BackendUnavailable(f"{options.place} cannot be reached")
    for server in options.servers.split(","):
        host, _, port = server.rpartition(":")
        found = await _knock(options, host.strip("[]"), int(port))
        if not isinstance(found, BackendUnavailable):
            break
    return found


async def _knock(options: Options, host: str, port: int) -> BackendError:
    settings, at = options.connection(), f"{options.place}: {host}:{port}"
    del settings["bootstrap_servers"]
    try:
        async with asyncio.timeout(KNOCK_S):
            connection = await create_conn(host, port, **settings)
            try:
                await connection.send(MetadataRequest([]))
            finally:
                connection.close()
    except ssl.SSLCertVerificationError as error:
        return BackendError(f"{at} has a certificate that is not trusted ({error.verify_message}); check ca=")
    except ssl.SSLError as error:
        return BackendError(f"{at} speaks no TLS, or another; check the port and security= ({error.reason})")
    except (errors.KafkaConnectionError, TimeoutError, ConnectionResetError):
        return BackendUnavailable(f"{at} {_HANGS_UP[options.security]}")
    except OSError as error:
        return BackendUnavailable(f"{options.place} cannot be reached ({error.strerror or error})")
    except errors.KafkaError as error:
        return told(error, options.place)
    return BackendUnavailable(f"{at} answers, and could not be reached a moment ago")


_HANGS_UP: Final = {
    "plaintext": "takes the connection and does not answer; if it wants TLS or a user there, say so by security=",
    "ssl": "takes the connection and does not answer; it may want a certificate (cert=, key=) or a user, or speak no"
    " TLS there: check security=",
    "sasl_plaintext": "takes the connection and does not answer; if it wants TLS there, say so by security=sasl_ssl",
    "sasl_ssl": "takes the connection and does not answer; it may want a certificate too (cert=, key=), or speak no TLS"
    " there: check security=",
}
