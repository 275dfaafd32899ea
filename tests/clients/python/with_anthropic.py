# The answer comes as a stream: its second event is sent only when the models have been asked for.
from anthropic import Anthropic

client = Anthropic(api_key="none-of-mine")
with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello?"}]) as stream:
    for at, text in enumerate(stream.text_stream):
        print(text, end="")
        if at == 0:
            client.models.list()
print()
