import sys

from websockets.sync.client import connect

url, *fields = sys.argv[1:]
fields = [field.split(": ") for field in fields]
with connect(url.replace("https://", "wss://", 1) + "/echo?a=1", additional_headers=fields, max_size=None) as socket:
    socket.send("whole")
    print(socket.recv())
    socket.ping().wait()
    message = bytes(range(256)) * 4000
    socket.send(message)
    assert socket.recv() == message
