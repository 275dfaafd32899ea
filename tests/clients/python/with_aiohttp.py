import asyncio
import sys

import aiohttp


async def main():
    async with aiohttp.ClientSession(trust_env=True, raise_for_status=True) as session:
        async with session.get(sys.argv[1] + "/whole") as answer:
            print(await answer.text(), end="")
        async with session.post(sys.argv[1] + "/echo", data=b"posted\n") as answer:
            print(await answer.text(), end="")
            print(f"HTTP/{answer.version.major}.{answer.version.minor}")


asyncio.run(main())
