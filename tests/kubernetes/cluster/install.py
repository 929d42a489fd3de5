"""Three replicas on PostgreSQL, and their end."""

import time

from . import kube, report, rig, talking


def scene():
    begin = time.monotonic()
    ended = rig.helm_release("install", flags=["--wait", "--timeout", "180s"])
    report.need("three replicas are installed by one command", ended.returncode == 0, lambda: rig.logs() + ended.stderr)
    report.figure("`helm install`, migration and three replicas ready", f"{time.monotonic() - begin:.1f} s")
    report.check("there are three, all ready", rig.whole(3))
    nodes = {p["spec"]["nodeName"] for p in rig.replicas()}
    report.check("they are spread over the nodes", len(nodes) == min(3, len(kube.get("nodes"))), nodes)
    report.check("they answer", *talking.answers())
    tested = kube.helm("test", rig.RELEASE, "-n", rig.SPACE, check=False)
    report.check("`helm test` passes", tested.returncode == 0, tested.stderr + tested.stdout)
    if kube.version() >= (1, 25):
        report.ok("the namespace enforces Pod Security \"restricted\"")


def uninstall():
    talk = talking.enduring("end", conversations=4)
    talk.end("before the end")
    begin = time.monotonic()
    ended = kube.helm("uninstall", rig.RELEASE, "-n", rig.SPACE, "--wait", "--timeout", "180s", check=False)
    report.check("it is uninstalled", ended.returncode == 0, ended.stderr)
    gone = kube.until(120, lambda: not kube.get("pods", "-n", rig.SPACE, "-l", f"app.kubernetes.io/instance={rig.RELEASE}"))
    report.need("all pods end", gone is not None)
    report.figure("`helm uninstall` until the last pod is gone", f"{time.monotonic() - begin:.1f} s")
    left = kube.kubectl("get", "all,configmap,poddisruptionbudget,networkpolicy,serviceaccount", "-n", rig.SPACE, "-o", "name",
                        "-l", f"app.kubernetes.io/instance={rig.RELEASE}").stdout
    report.equal("nothing of it is left", left, "")
