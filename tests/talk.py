"""A client that judges what it gets: the demo model says how many messages of the conversation it has seen and repeats
the last one, so a reply tells by itself whether it is whole, and whether one before it was lost or told twice.

The gateway is named by REGROW_URL, its token stands in the file REGROW_TOKEN_FILE. The first line of output is `talking`
once every conversation has begun; at the end a line says what was counted; the exit code is 1 if anything was wrong.
"""

import argparse
import http.client
import json
import os
import pathlib
import statistics
import sys
import threading
import time
import urllib.parse
import uuid

URL = urllib.parse.urlsplit(os.environ["REGROW_URL"])
TOKEN_FILE = pathlib.Path(os.environ["REGROW_TOKEN_FILE"])
# What may go wrong on the way: the connection, or a reply that ends before its end.
BROKEN = (OSError, http.client.HTTPException, json.JSONDecodeError, EOFError)
# How long somebody who is cut off asks again.
PATIENCE = 180
# Messages of one conversation; then another one begins.
CONVERSATION = 20


def expected(words):
    return " ".join(f"word{n}" for n in range(1, words + 1))


def echo(number, message):
    return (f"I am Regrow's built-in demo model, so I only echo. This is message {number} of our conversation. "
            f"You said: {message}")


class Connection:
    """Asks for completions, over a connection that is kept open."""

    def __init__(self, silence=60):
        self.http = http.client.HTTPConnection(URL.hostname, URL.port, timeout=silence)

    def ask(self, message, *, session=None, key=None, stream=False, heard=lambda: None):
        """The text of the reply. Calls `heard` when some of it is there; raises if it is not given whole."""
        token = TOKEN_FILE.read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
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
        self.seconds = []

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def took(self, begin):
        with self.lock:
            self.seconds.append(time.monotonic() - begin)

    def judge(self, text, wanted):
        if text == wanted:
            self.count("whole")
        else:
            self.failure(f"not whole: {text[-300:]!r} instead of {wanted[-300:]!r}")

    def failure(self, error):
        with self.lock:
            self.counts["failed"] += 1
            self.errors.append(f"{time.strftime('%H:%M:%S')} {error}")

    def end(self):
        for error in self.errors[:5]:
            print(f"error: {error}")
        counts = ", ".join(f"{what} {number}" for what, number in self.counts.items())
        times = self.seconds or [0.0]
        print(f"{counts}, median {statistics.median(times):.1f} s, longest {max(times):.1f} s")
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
    text = Connection().ask(f"/long {options.words}", stream=options.stream, heard=heard)
    tally.judge(text, expected(options.words))


def crowd(options, tally):
    """Many streams at once, each asked once."""

    def talk(_):
        tally.count("asked")
        try:
            tally.judge(Connection().ask(f"/long {options.words}", stream=True), expected(options.words))
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

        return again(lambda: Connection().ask(f"/long {options.words}", key=key, stream=True, heard=heard), tally)

    def whole(key):
        begun.wait(60)
        return Connection().ask(f"/long {options.words}", key=key)

    def talk(index):
        key, begin = f"survive-{uuid.uuid4()}", time.monotonic()
        tally.count("asked")
        try:
            text = streamed(key) if index % 2 else whole(key)
            tally.took(begin)
            if text != Connection().ask(f"/long {options.words}", key=key):
                return tally.failure("asked again, the reply is another one")
            tally.judge(text, expected(options.words))
        except BROKEN as error:
            tally.failure(f"{'stream' if index % 2 else 'whole'}: {error!r}")

    all_at_once(options.conversations, talk)


def again(ask, tally):
    """Asks until there is a reply."""
    begin = time.monotonic()
    while True:
        try:
            return ask()
        except BROKEN as error:
            if time.monotonic() > begin + PATIENCE:
                raise TimeoutError(f"no reply in {PATIENCE} s, at last: {error!r}") from error
            tally.count("asked again")
            time.sleep(0.1)


def load(options, tally):
    """Conversations that go on until a file appears. Every reply must be whole, and must know all messages before it and
    no other; half are streams. Each sender keeps its connection open. Half name a key, and nobody asks again; with
    `--again` all name a key and whoever is cut off asks again with it."""
    stop = pathlib.Path(options.until)
    begun = threading.Barrier(options.conversations, action=say_talking)

    def message(connection, index, session, number):
        text = f"{number} " + expected(options.words)
        key = f"load-{uuid.uuid4()}" if options.again or index & 2 else None
        tally.count("asked")
        begin = time.monotonic()

        def once():
            return connection.ask(text, session=session, key=key, stream=bool(index & 1))

        try:
            tally.judge(again(once, tally) if options.again else once(), echo(number, text))
            return True
        except BROKEN as error:
            tally.failure(f"{'stream' if index & 1 else 'whole'}, {'key' if key else 'no key'}: {error!r}")
            time.sleep(0.2)
            return False
        finally:
            tally.took(begin)

    def talk(index):
        connection = Connection(options.silence)
        begun.wait(60)
        while not stop.exists():
            session = f"load-{uuid.uuid4()}"
            for number in range(1, CONVERSATION + 1):
                # What became of a message that failed cannot be known, so its conversation ends.
                if stop.exists() or not message(connection, index, session, number):
                    break

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
    parser.add_argument("--again", action="store_true", help="ask again whoever is cut off")
    parser.add_argument("--silence", type=float, default=60, help="after so many seconds without a byte it counts as cut off")
    parser.add_argument("--until")
    parser.add_argument("--url")
    options = parser.parse_args()
    tally = Tally()
    globals()[options.what](options, tally)
    tally.end()


if __name__ == "__main__":
    main()
