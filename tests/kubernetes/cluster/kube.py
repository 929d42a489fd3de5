"""kubectl and helm, and waiting for what they show."""

import json
import subprocess
import time

KUBECTL = "kubectl"
HELM = "helm"


def run(*command, stdin=None, check=True, timeout=600):
    return subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True, check=check,
                          timeout=timeout)


def kubectl(*arguments, stdin=None, check=True):
    return run(KUBECTL, *arguments, stdin=stdin, check=check)


def helm(*arguments, check=True):
    return run(HELM, *arguments, check=check)


def apply(*objects):
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))


def get(*arguments):
    """An object, or a list's items."""
    answer = json.loads(kubectl("get", "-o", "json", *arguments).stdout)
    return answer.get("items", answer)


def version():
    """Of the cluster, as (1, 33)."""
    server = json.loads(kubectl("version", "-o", "json").stdout)["serverVersion"]
    return int(server["major"]), int(server["minor"].rstrip("+"))


def is_ready(thing):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in thing.get("status", {}).get("conditions", []))


def condition(thing, kind):
    return next((c["status"] for c in thing.get("status", {}).get("conditions", []) if c["type"] == kind), None)


def until(seconds, holds, every=0.3):
    """Waits until `holds()`; the seconds that it took, or None if it did not come true in time."""
    begin = time.monotonic()
    while time.monotonic() < begin + seconds:
        if holds():
            return time.monotonic() - begin
        time.sleep(every)
    return None
