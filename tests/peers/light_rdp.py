"""An RDP client that logs on with NLA and draws nothing: by this repository's own machines."""

import asyncio
import ssl

from samples.rdp import accepted_client

from protocols.rdp.certificates import subject_public_key
from protocols.rdp.connector import Connector, Logon
from protocols.rdp.leg import Leg
from protocols.rdp.steps import Ready, Send, StartTLS, Step
from protocols.rdp.wire.ts_request import PasswordCredentials


async def connected(port: int) -> Leg:
    """Return a connection to a port of this machine."""
    loop = asyncio.get_running_loop()
    _, leg = await loop.create_connection(Leg, "127.0.0.1", port)
    return leg


async def log_on(leg: Leg, username: str, password: str) -> None:
    """Finish the handshake; raise `TargetUnreachableError` where NLA says no."""
    credentials = PasswordCredentials(domain="", username=username, password=password)
    logon = Logon(host="127.0.0.1", credentials=credentials, allowed_channels=frozenset())
    connector = Connector(accepted_client(()), logon)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    steps: list[Step] = connector.start()
    while not any(isinstance(step, Ready) for step in steps):
        for step in list(steps):
            if isinstance(step, Send):
                leg.write(step.data)
            elif isinstance(step, StartTLS):
                await leg.start_tls(context)
                steps = connector.tls_started(subject_public_key(leg.certificate))
                leg.write(b"".join(one.data for one in steps if isinstance(one, Send)))
        steps = connector.receive(await leg.read())
    leg.write(b"".join(step.data for step in steps if isinstance(step, Send)))
