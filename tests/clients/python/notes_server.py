"""An origin on Python's own http.server, over TLS, whose GET reads no body. Arguments: certificate and key, in PEM.

POST /notes keeps its body, GET /notes shows what was kept, any other GET says who asked. Prints its port.
"""

import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

notes = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kept = "\n".join(notes)
        self.answer(kept if self.path == "/notes" else self.path)

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        notes.append(self.rfile.read(length).decode("latin-1"))
        self.answer("kept")

    def answer(self, text):
        body = text.encode("latin-1")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
