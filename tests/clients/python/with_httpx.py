import sys

import httpx

with httpx.Client(http2=sys.argv[2:] == ["2"]) as client:
    answer = client.get(sys.argv[1] + "/whole").raise_for_status()
    print(answer.text, end="")
    answer = client.post(sys.argv[1] + "/echo", content="posted\n").raise_for_status()
    print(answer.text, end="")
    print(answer.http_version)
