"""A service with a method of each kind, over bytes and TLS; says `ready`, then the metadata of each call, a JSON list a
line."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

address, port, certificate = sys.argv[1:]


class Service(grpc.GenericRpcHandler):
    def service(self, call):
        print(json.dumps([(name, str(value)) for name, value in call.invocation_metadata]), flush=True)
        return {
            "/echo.Echo/One": grpc.unary_unary_rpc_method_handler(self.one),
            "/echo.Echo/Down": grpc.unary_stream_rpc_method_handler(self.down),
            "/echo.Echo/Up": grpc.stream_unary_rpc_method_handler(self.up),
            "/echo.Echo/Both": grpc.stream_stream_rpc_method_handler(self.both),
            "/echo.Echo/None": grpc.unary_unary_rpc_method_handler(self.none),
        }.get(call.method)

    def one(self, request, context):
        context.set_trailing_metadata([("x-end", "told")])
        return request

    def down(self, request, context):
        for at in range(100):
            yield request + b"%d" % at

    def up(self, requests, context):
        return b"%d" % sum(len(it) for it in requests)

    def both(self, requests, context):
        yield from requests

    def none(self, request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: ü")


pem = open(certificate, "rb").read()
server = grpc.server(ThreadPoolExecutor(8), handlers=[Service()])
server.add_secure_port(f"{address}:{port}", grpc.ssl_server_credentials([(pem, pem)]))
server.start()
print("ready", flush=True)
server.wait_for_termination()
