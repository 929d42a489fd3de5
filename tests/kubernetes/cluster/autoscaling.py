"""Load makes replicas, and its end takes them away: by an HPA on the metrics that Regrow serves itself."""

import time

from . import kube, report, rig, talking, upgrade

API = "v1beta1.external.metrics.k8s.io"
# Few slots, so that a small crowd is much work; and down within a test's time.
SCALED = {
    "slots": 8,
    "externalMetrics": {"enabled": True},
    "autoscaling": {"minReplicas": 2, "maxReplicas": 6, "hpa": {"enabled": True},
                    "scaleDown": {"windowSeconds": 15, "pods": 2, "periodSeconds": 15}},
}
CROWD = 40


def scene():
    if kube.kubectl("get", "apiservice", API, check=False).returncode == 0:
        report.skip("an HPA on external metrics", "something else in this cluster serves external metrics")
        return
    ended = rig.helm_release("upgrade", SCALED, flags=["--wait", "--timeout", "400s"])
    report.need("external metrics and the HPA are switched on", ended.returncode == 0, lambda: rig.logs() + ended.stderr)
    kept = "replicas: 3" in kube.helm("get", "manifest", rig.RELEASE, "-n", rig.SPACE).stdout
    report.check("the Deployment keeps its three replicas until the HPA decides", kept)
    path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{rig.SPACE}/regrow_load"
    served = kube.until(60, lambda: '"value"' in kube.kubectl("get", "--raw", path, check=False).stdout)
    report.need("the cluster's API serves the load", served is not None,
                lambda: kube.kubectl("get", "--raw", path, check=False).stderr)
    few = talking.load("few", conversations=3)
    report.need("the HPA settles at its minimum", kube.until(300, lambda: rig.whole(2)) is not None, described)
    crowd = talking.load("crowd", conversations=CROWD, words=80)
    begin = time.monotonic()
    grown = kube.until(240, lambda: len(rig.ready_replicas()) == 6, every=1)
    report.need("load brings six replicas", grown is not None, described)
    report.figure(f"a crowd of {CROWD} begins (8 slots each) until six replicas are ready", f"{time.monotonic() - begin:.0f} s")
    upgrade.told("growth", crowd.end("no reply of the crowd failed"))
    begin = time.monotonic()
    shrunk = kube.until(400, lambda: rig.whole(2), every=1)
    report.need("without it two are left", shrunk is not None, described)
    report.figure("its end until two replicas are left", f"{time.monotonic() - begin:.0f} s")
    upgrade.told("growth and shrinking", few.end("no reply of those who went on failed"))
    ended = rig.helm_release("upgrade", flags=["--wait", "--timeout", "400s"])
    report.check("switched off again", ended.returncode == 0 and upgrade.settles(3), lambda: rig.logs() + ended.stderr)


def described():
    return kube.kubectl("describe", "horizontalpodautoscaler", "-n", rig.SPACE, check=False).stdout
