"""OpenAI's own Python client holds conversations with a running gateway.

The gateway is named by REGROW_BASE_URL and REGROW_TOKEN; its model must be the scripted model server, which obeys the
directives in the messages and is asked at REGROW_MODEL_URL what it saw.
"""

import json
import os
import urllib.request
import uuid

from openai import OpenAI

MODEL = "openclaw/default"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

client = OpenAI(base_url=os.environ["REGROW_BASE_URL"], api_key=os.environ["REGROW_TOKEN"], max_retries=0, timeout=30)


def new_id():
    return f"py-{uuid.uuid4().hex[:12]}"


def user(text):
    return {"role": "user", "content": text}


def calls_of(message_id):
    """What the model server saw of a message."""
    root = os.environ["REGROW_MODEL_URL"].removesuffix("/v1")
    with urllib.request.urlopen(f"{root}/__calls") as response:
        return [call for call in json.load(response)["calls"] if call["id"] == message_id]


def streamed(**request):
    """Streams a completion; returns its text pieces, tool calls, finish reason and usage."""
    pieces, calls, reason, usage = [], {}, None, None
    for chunk in client.chat.completions.create(model=MODEL, stream=True, **request):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            reason = choice.finish_reason or reason
            if choice.delta.content:
                pieces.append(choice.delta.content)
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                call["id"] += part.id or ""
                call["name"] += part.function.name or ""
                call["arguments"] += part.function.arguments or ""
    return pieces, [calls[index] for index in sorted(calls)], reason, usage


def lists_models():
    ids = [model.id for model in client.models.list()]
    assert {"openclaw", "openclaw/default", "openclaw/main"} <= set(ids), ids
    assert client.models.retrieve("openclaw").id == "openclaw"


def answers_in_one_piece():
    name = new_id()
    completion = client.chat.completions.create(model=MODEL, messages=[user(f"[[id={name} tokens=8]] hello")])
    choice = completion.choices[0]
    assert completion.object == "chat.completion" and completion.id, completion
    assert choice.message.role == "assistant" and choice.finish_reason == "stop", choice
    assert choice.message.content.startswith(f"reply to {name}: turns=1 seen={name}"), choice
    assert choice.message.content.endswith("w8"), choice
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 0


def answers_as_a_stream():
    name = new_id()
    pieces, _, reason, _ = streamed(messages=[user(f"[[id={name} tokens=20 delay_ms=10]]")])
    text = "".join(pieces)
    assert len(pieces) > 1 and text.startswith(f"reply to {name}: ") and text.endswith("w20"), pieces
    assert reason == "stop", reason


def reports_usage_of_a_stream_when_asked():
    *_, usage = streamed(messages=[user(f"[[id={new_id()}]]")], stream_options={"include_usage": True})
    assert usage is not None and usage.completion_tokens > 0 and usage.prompt_tokens > 0, usage


def calls_a_client_tool():
    name = new_id()
    question = user(f'[[id={name} tool=get_weather args={{"city":"Köln"}}]] weather?')
    first = client.chat.completions.create(model=MODEL, messages=[question], tools=[WEATHER])
    assert first.choices[0].finish_reason == "tool_calls", first
    message = first.choices[0].message
    [call] = message.tool_calls
    assert call.id and call.function.name == "get_weather", call
    assert json.loads(call.function.arguments) == {"city": "Köln"}, call
    result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
    history = [question, message.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(model=MODEL, messages=history, tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop", second
    assert second.choices[0].message.content.endswith("result=18 degrees"), second


def streams_parallel_client_tools():
    name = new_id()
    directives = " ".join(f'tool=get_weather args={{"city":"{city}"}}' for city in ("Köln", "Bonn"))
    question = user(f"[[id={name} {directives}]]")
    _, calls, reason, _ = streamed(messages=[question], tools=[WEATHER])
    assert reason == "tool_calls" and len({call["id"] for call in calls}) == 2, calls
    assert [json.loads(call["arguments"])["city"] for call in calls] == ["Köln", "Bonn"], calls
    asked = [{"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
             for call in calls]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": f"{degrees} degrees"}
               for call, degrees in zip(calls, (18, 19))]
    history = [question, {"role": "assistant", "content": None, "tool_calls": asked}, *results]
    pieces, calls, reason, _ = streamed(messages=history, tools=[WEATHER])
    assert reason == "stop" and not calls, calls
    assert "".join(pieces).endswith("result=18 degrees result=19 degrees"), pieces


def remembers_a_user():
    person, ids = new_id(), [new_id() for _ in range(3)]
    for turn, name in enumerate(ids, start=1):
        pieces, *_ = streamed(messages=[user(f"[[id={name}]]")], user=person)
        assert "".join(pieces) == f"reply to {name}: turns={turn} seen={','.join(ids[:turn])}", pieces
    stranger = client.chat.completions.create(model=MODEL, messages=[user(f"[[id={ids[0]}]]")], user=new_id())
    assert stranger.choices[0].message.content == f"reply to {ids[0]}: turns=1 seen={ids[0]}", stranger


def answers_an_idempotency_key_once():
    name, key, session = new_id(), new_id(), new_id()
    headers = {"Idempotency-Key": key, "x-openclaw-session-key": session}
    first, second = (
        client.chat.completions.create(model=MODEL, messages=[user(f"[[id={name}]]")], extra_headers=headers)
        for _ in range(2)
    )
    assert first.id == second.id, (first.id, second.id)
    assert first.choices[0].message.content == second.choices[0].message.content
    assert len(calls_of(name)) == 1, calls_of(name)


CHECKS = [
    lists_models,
    answers_in_one_piece,
    answers_as_a_stream,
    reports_usage_of_a_stream_when_asked,
    calls_a_client_tool,
    streams_parallel_client_tools,
    remembers_a_user,
    answers_an_idempotency_key_once,
]

for check in CHECKS:
    print(f"  {check.__name__}", flush=True)
    check()
print(f"python conversation: {len(CHECKS)} checks passed")
