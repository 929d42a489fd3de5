"""One replica on the embedded store: a volume keeps what was said."""

import json

from . import kube, report, rig, talking

NAME = "single"


def scene():
    values = {"resources": rig.VALUES["resources"], "networkPolicy": rig.VALUES["networkPolicy"],
              "secret": rig.VALUES["secret"]}
    if not default_class():
        volume()
        values["store"] = {"embedded": {"storageClass": "regrow-test"}}
    ended = rig.helm_release("install", release=NAME, base=values, flags=["--wait", "--timeout", "120s"])
    report.need("it is installed and becomes ready", ended.returncode == 0, lambda: rig.logs(NAME) + ended.stderr)
    report.check("it answers", *talking.answers("single", talking.url(NAME)))
    before = sessions()
    report.check("it lists its session", bool(before))
    old = rig.replicas(NAME)[0]["metadata"]["name"]
    kube.kubectl("delete", "pod", "-n", rig.SPACE, old, "--wait=false")
    took = kube.until(90, lambda: [p for p in rig.ready_replicas(NAME) if p["metadata"]["name"] != old])
    report.need("its pod is replaced", took is not None, lambda: rig.logs(NAME))
    report.figure("pod deleted until the next is ready (embedded store)", f"{took:.1f} s")
    report.equal("and remembers", sessions(), before)
    kube.helm("uninstall", NAME, "-n", rig.SPACE, "--wait")
    report.check("its volume stays after `helm uninstall`", kube.get("persistentvolumeclaims", "-n", rig.SPACE))
    kube.kubectl("delete", "persistentvolumeclaims", "-n", rig.SPACE, "--all", "--wait=false")


def sessions():
    pod = rig.ready_replicas(NAME)[0]["metadata"]["name"]
    listed = kube.kubectl("exec", "-n", rig.SPACE, pod, "--", "/regrow", "sessions", "list", "--json").stdout
    return sorted(json.loads(line)["key"] for line in listed.splitlines() if line.startswith("{"))


def default_class():
    return [c for c in kube.get("storageclasses")
            if c["metadata"].get("annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true"]


def volume():
    """A directory of the node that stays, for clusters that make no volumes; a hostPath does not follow fsGroup."""
    path = f"/var/tmp/{rig.SPACE}"
    kube.apply(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{rig.SPACE}-state"},
         "spec": {"capacity": {"storage": "8Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "regrow-test",
                  "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": path, "type": "DirectoryOrCreate"},
                  "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                      {"key": "kubernetes.io/hostname", "operator": "In", "values": [rig.node]}]}]}}}},
        rig.pod("volume", {
            "restartPolicy": "Never",
            "containers": [{"name": "chown", "image": rig.PYTHON, "imagePullPolicy": "IfNotPresent",
                            "command": ["chown", "65532:65532", "/volume"],
                            "volumeMounts": [{"name": "volume", "mountPath": "/volume"}]}],
            "volumes": [{"name": "volume", "hostPath": {"path": path, "type": "DirectoryOrCreate"}}],
        }))
    kube.until(60, lambda: kube.get("pod", "volume", "-n", rig.RIG)["status"].get("phase") == "Succeeded")
