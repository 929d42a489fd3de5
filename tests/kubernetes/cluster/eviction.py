"""Nodes are drained: one replica at a time may go, and nobody's reply fails."""

import json

from . import kube, report, rig, talking, upgrade


def scene():
    talk = talking.load("evict")
    pods = [p["metadata"]["name"] for p in rig.ready_replicas()]
    report.check("the first eviction is granted", evict(pods[0]) == 0)
    report.check("a second one at the same time is refused by the budget", evict(pods[1]) != 0)
    report.need("there are three again", upgrade.settles(3), rig.logs)
    others = sorted({p["spec"]["nodeName"] for p in rig.ready_replicas()} - {rig.node})
    if others:
        drained(others[0])
    else:
        report.skip("draining a node", "there is only the node of the database")
    upgrade.told("evictions", talk.end("no reply failed"))


def evict(pod):
    """The API's eviction, as `kubectl drain` asks for it."""
    version = "policy/v1" if kube.version() >= (1, 22) else "policy/v1beta1"
    body = {"apiVersion": version, "kind": "Eviction", "metadata": {"name": pod, "namespace": rig.SPACE}}
    path = f"/api/v1/namespaces/{rig.SPACE}/pods/{pod}/eviction"
    return kube.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body), check=False).returncode


def drained(node):
    selector = f"app.kubernetes.io/instance={rig.RELEASE}"
    ended = kube.kubectl("drain", node, "--pod-selector", selector, "--delete-emptydir-data", "--timeout=300s", check=False)
    report.check("a node is drained", ended.returncode == 0, ended.stderr)
    report.check("and empty", not [p for p in rig.replicas() if p["spec"]["nodeName"] == node])
    kube.kubectl("uncordon", node)
    report.check("there are three again", upgrade.settles(3), rig.logs)
    # Spread anew, for the scenes that follow.
    kube.kubectl("rollout", "restart", "-n", rig.SPACE, f"deployment/{rig.RELEASE}")
    report.check("restarted, they are spread again", upgrade.settles(3), rig.logs)
