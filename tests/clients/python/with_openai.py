# The answer comes as a stream: its second event is sent only when the models have been asked for.
from openai import OpenAI

client = OpenAI(api_key="none-of-mine")
stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello?"}], stream=True)
for at, event in enumerate(stream):
    print(event.choices[0].delta.content, end="")
    if at == 0:
        client.models.list()
print()
