"""A client that judges what it gets: the demo model answers `/long N` with N numbered words, so a reply tells by itself
whether it is whole.

The gateway is named by REGROW_URL, its token stands in the file REGROW_TOKEN_FILE. The first line of output is `talking`
once every conversation has begun; at the end a line says what was counted; the exit code is 1 if anything was not whole.
"""

import argparse
import http.client
import json
import os
import pathlib
import sys
import threading
import time
import urllib.parse
import uuid

URL = urllib.parse.urlsplit(os.environ["REGROW_URL"])
TOKEN = pathlib.Path(os.environ["REGROW_TOKEN_FILE"]).read_text().strip()
# What may go wrong on the way: the connection, or a reply that ends before its end.
BROKEN = (OSError, http.client.HTTPException, json.JSONDecodeError, EOFError)


def expected(words):
    return " ".join(f"word{n}" for n in range(1, words + 1))


class Connection:
    """Asks for completions, over a connection that is kept open."""

    def __init__(self):
        self.http = http.client.HTTPConnection(URL.hostname, URL.port, timeout=60)

    def ask(self, message, *, session=None, key=None, stream=False, heard=lambda: None):
        """The text of the reply. Calls `heard` when some of it is there; raises if it is not given whole."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        body = {"model": "openclaw", "stream": stream, "messages": [{"role": "user", "content": message}]}
        if session:
            body["user"] = session
        try:
            self.http.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = self.http.getresponse()
            if answer.status != 200:
                raise http.client.HTTPException(f"{answer.status}: {answer.read()[:300]!r}")
            return self.streamed(answer, heard) if stream else self.whole(answer)
        except BROKEN:
            self.http.close()
            raise

    @staticmethod
    def whole(answer):
        return json.loads(answer.read())["choices"][0]["message"]["content"]

    @staticmethod
    def streamed(answer, heard):
        pieces = []
        for line in answer:
            if line == b"data: [DONE]\n":
                answer.read()
                return "".join(pieces)
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[len("data: "):])
            if "error" in event:
                raise http.client.HTTPException(json.dumps(event))
            if piece := event["choices"][0]["delta"].get("content"):
                pieces.append(piece)
                heard()
        raise EOFError("the stream ended before its end")


class Tally:
    """What happened, counted by all threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {"asked": 0, "whole": 0, "failed": 0, "asked again": 0}
        self.errors = []
        self.longest = 0.0

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def judge(self, text, words):
        if text == expected(words):
            self.count("whole")
        else:
            self.failure(f"not whole: {text[-60:]!r}")

    def failure(self, error):
        with self.lock:
            self.counts["failed"] += 1
            self.errors.append(str(error))

    def end(self):
        for error in self.errors[:5]:
            print(f"error: {error}")
        print(", ".join(f"{what} {number}" for what, number in self.counts.items()), f"longest {self.longest:.1f} s", sep=", ")
        sys.exit(0 if self.counts["asked"] and self.counts["whole"] == self.counts["asked"] else 1)


def all_at_once(number, talk):
    threads = [threading.Thread(target=talk, args=(index,), daemon=True) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def say_talking():
    print("talking", flush=True)


def ask(options, tally):
    """One message, asked once."""
    said = threading.Event()

    def heard():
        if not said.is_set():
            said.set()
            say_talking()

    tally.count("asked")
    tally.judge(Connection().ask(f"/long {options.words}", stream=options.stream, heard=heard), options.words)


def crowd(options, tally):
    """Many streams at once, each asked once."""

    def talk(_):
        tally.count("asked")
        try:
            tally.judge(Connection().ask(f"/long {options.words}", stream=True), options.words)
        except BROKEN as error:
            tally.failure(error)

    all_at_once(options.conversations, talk)


def survive(options, tally):
    """Replies with idempotency keys, half of them streams. Whoever is cut off in a stream asks again with its key, as often
    as it takes; replies that are not streamed are repeated by the balancer, so nobody asks for them again. At the end all
    ask once more and must get the same."""
    begun = threading.Barrier(options.conversations, action=say_talking)

    def streamed(key):
        first = True

        def heard():
            nonlocal first
            if first:
                first = False
                begun.wait(60)

        begin = time.monotonic()
        while time.monotonic() < begin + 60:
            try:
                return Connection().ask(f"/long {options.words}", key=key, stream=True, heard=heard)
            except BROKEN:
                tally.count("asked again")
                time.sleep(0.1)
        raise TimeoutError("no reply within a minute")

    def whole(key):
        begun.wait(60)
        return Connection().ask(f"/long {options.words}", key=key)

    def talk(index):
        key, begin = f"survive-{uuid.uuid4()}", time.monotonic()
        tally.count("asked")
        try:
            text = streamed(key) if index % 2 else whole(key)
            tally.longest = max(tally.longest, time.monotonic() - begin)
            if text != Connection().ask(f"/long {options.words}", key=key):
                return tally.failure("asked again, the reply is another one")
            tally.judge(text, options.words)
        except BROKEN as error:
            tally.failure(f"{'stream' if index % 2 else 'whole'}: {error!r}")

    all_at_once(options.conversations, talk)


def load(options, tally):
    """Conversations that go on until a file appears. Nobody asks again: every reply must be whole at once. Half are
    streams; of each kind half name a key; each sender keeps its connection open."""
    stop = pathlib.Path(options.until)
    begun = threading.Barrier(options.conversations, action=say_talking)

    def talk(index):
        connection, session = Connection(), f"load-{uuid.uuid4()}"
        begun.wait(60)
        while not stop.exists():
            key = f"load-{uuid.uuid4()}" if index & 2 else None
            tally.count("asked")
            begin = time.monotonic()
            try:
                text = connection.ask(f"/long {options.words}", session=session, key=key, stream=bool(index & 1))
                tally.judge(text, options.words)
            except BROKEN as error:
                tally.failure(f"{'stream' if index & 1 else 'whole'}, {'key' if key else 'no key'}: {error!r}")
                time.sleep(0.2)
            tally.longest = max(tally.longest, time.monotonic() - begin)

    all_at_once(options.conversations, talk)


def fetch(options, tally):
    """Lets the agent fetch a page, which needs names and certificates."""
    tally.count("asked")
    text = Connection().ask(f'/tool web_fetch {json.dumps({"url": options.url})}')
    if "api" in text and "rror" not in text:
        tally.count("whole")
    else:
        tally.failure(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["ask", "crowd", "survive", "load", "fetch"])
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--conversations", type=int, default=8)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--until")
    parser.add_argument("--url")
    options = parser.parse_args()
    tally = Tally()
    globals()[options.what](options, tally)
    tally.end()


main()
