"""A node loses its power."""

import os
import shlex
import time

from . import kube, report, rig, talking, upgrade


def scene():
    lost = next((p["spec"]["nodeName"] for p in rig.ready_replicas() if p["spec"]["nodeName"] != rig.node), None)
    commands = os.environ.get("NODE_KILL"), os.environ.get("NODE_START")
    if not all(commands) or not lost:
        report.skip("the loss of a node", "NODE_KILL and NODE_START name no commands, or there is one node only")
        return
    talk = talking.enduring("node", silence=3)
    kube.run(*shlex.split(commands[0]), lost)
    begin = time.monotonic()
    gone = kube.until(120, lambda: not kube.is_ready(kube.get("node", lost)))
    report.need("the cluster notices", gone is not None)
    report.figure("power cut until the node is NotReady", f"{time.monotonic() - begin:.0f} s")
    here = kube.until(120, lambda: len([p for p in rig.ready_replicas() if p["spec"]["nodeName"] != lost]) >= 3)
    report.check("its replicas are replaced", here is not None, rig.logs)
    report.figure("power cut until three replicas are ready", f"{time.monotonic() - begin:.0f} s")
    counts = talk.end("every reply is given whole and once")
    upgrade.told("the loss of a node", counts)
    kube.run(*shlex.split(commands[1]), lost)
    report.check("the node comes back", kube.until(180, lambda: kube.is_ready(kube.get("node", lost))) is not None)
    report.check("and three replicas are there", upgrade.settles(3), rig.logs)
