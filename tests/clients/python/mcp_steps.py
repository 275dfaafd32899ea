"""What both lines of the SDK are driven with: steps from standard input, and what came of them as one line of JSON.

A step is a method and its parameters; a list of steps is taken all at once.
"""

import asyncio
import json
import os
import sys

_, REVISION, *TARGET = sys.argv
OURS = {name: value for name, value in os.environ.items() if name.startswith("VULTRINO_")}
BEARER = {"Authorization": f"Bearer {OURS.get('VULTRINO_API_KEY')}"}


def told(result):
    return result.model_dump(mode="json", by_alias=True, exclude_unset=True)


async def take(session, step, refusal):
    if isinstance(step[0], list):
        return await asyncio.gather(*(take(session, it, refusal) for it in step))
    method, params = step[0], step[1] if step[1:] else {}
    asked = {
        "ping": session.send_ping,
        "tools/list": session.list_tools,
        "tools/call": session.call_tool,
        "resources/list": session.list_resources,
        "resources/templates/list": session.list_resource_templates,
        "resources/read": session.read_resource,
        "prompts/list": session.list_prompts,
        "prompts/get": session.get_prompt,
    }
    try:
        return told(await asked[method](**params))
    except refusal as it:
        return {"code": it.error.code, "message": it.error.message}


async def take_all(session, revision, server, refusal):
    seen = {"revision": revision, "server": told(server) if server else None}
    seen["results"] = [await take(session, step, refusal) for step in json.load(sys.stdin)]
    print(json.dumps(seen))
