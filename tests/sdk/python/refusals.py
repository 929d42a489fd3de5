"""OpenAI's own Python client turns the gateway's refusals into the errors that programs catch.

The gateway is named by REGROW_BASE_URL and REGROW_TOKEN.
"""

import os

from openai import AuthenticationError, BadRequestError, NotFoundError, OpenAI

BASE_URL, TOKEN = os.environ["REGROW_BASE_URL"], os.environ["REGROW_TOKEN"]
HELLO = [{"role": "user", "content": "hello"}]


def connect(token=TOKEN):
    return OpenAI(base_url=BASE_URL, api_key=token, max_retries=0, timeout=30)


def complete(token=TOKEN, **changes):
    request = {"model": "openclaw", "messages": HELLO} | changes
    return connect(token).chat.completions.create(**request)


CHECKS = [
    ("a wrong token", lambda: complete(token="wrong"), AuthenticationError),
    ("a wrong token for models", lambda: connect("wrong").models.list(), AuthenticationError),
    ("an unknown model", lambda: complete(model="no-such-model"), (BadRequestError, NotFoundError)),
    ("an unknown agent", lambda: complete(model="openclaw/no-such-agent"), (BadRequestError, NotFoundError)),
    ("an unknown model's description", lambda: connect().models.retrieve("no-such-model"), NotFoundError),
    ("no messages", lambda: complete(messages=[]), BadRequestError),
    ("a temperature out of range", lambda: complete(temperature=9), BadRequestError),
    ("a refusal of a stream", lambda: complete(model="no-such-model", stream=True), (BadRequestError, NotFoundError)),
]

for name, request, expected in CHECKS:
    print(f"  {name}", flush=True)
    try:
        answer = request()
    except expected as error:
        assert error.body and error.body["message"] and error.body["type"], error.body
    else:
        raise AssertionError(f"{name} was answered: {answer}")
print(f"python refusals: {len(CHECKS)} checks passed")
