import sys
from queue import SimpleQueue

import grpc

with grpc.secure_channel(sys.argv[1], grpc.ssl_channel_credentials()) as channel:
    big = b"x" * 1_000_000
    answer, call = channel.unary_unary("/echo.Echo/One").with_call(big, timeout=60)
    assert answer == big
    assert dict(call.trailing_metadata())["x-end"] == "told"
    answers = list(channel.unary_stream("/echo.Echo/Down")(b"number ", timeout=60))
    assert answers == [b"number %d" % it for it in range(100)]
    assert channel.stream_unary("/echo.Echo/Up")((big for _ in range(10)), timeout=60) == b"10000000"

    # One by one: the next request waits for the answer to the last.
    requests = SimpleQueue()
    answers = channel.stream_stream("/echo.Echo/Both")(iter(requests.get, None), timeout=60)
    for at in range(20):
        requests.put(b"%d" % at)
        assert next(answers) == b"%d" % at
    requests.put(None)
    assert list(answers) == []

    try:
        channel.unary_unary("/echo.Echo/None")(b"", timeout=60)
    except grpc.RpcError as error:
        assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing: ü"), error
        print("whole")
