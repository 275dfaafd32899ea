import sys

import requests

with requests.Session() as session:
    answer = session.get(sys.argv[1] + "/whole")
    answer.raise_for_status()
    print(answer.text, end="")
    answer = session.post(sys.argv[1] + "/echo", data="posted\n")
    answer.raise_for_status()
    print(answer.text, end="")
    print({11: "HTTP/1.1"}[answer.raw.version])
