"""Echoes every message over TLS; says `ready`, then the fields of each handshake, a JSON list a line."""

import json
import sys
from ssl import PROTOCOL_TLS_SERVER, SSLContext

from websockets.sync.server import serve

address, port, certificate = sys.argv[1:]
context = SSLContext(PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)


def judge(connection, request):
    print(json.dumps(list(request.headers.raw_items())), flush=True)


def echo(connection):
    for message in connection:
        connection.send(message)


with serve(echo, address, int(port), ssl=context, process_request=judge, max_size=None) as server:
    print("ready", flush=True)
    server.serve_forever()
