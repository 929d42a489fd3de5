"""What cannot work is refused, with the name of the value and what to do."""

from . import kube, report, rig


def scene():
    refused("two replicas with the embedded store", {"store": {"type": "embedded"}, "replicas": 2},
            "replicas: 2, but the embedded store is one file", base={})
    refused("a Secret that is not there", {"secret": {"existingSecret": "nowhere"}},
            "secret.existingSecret names the Secret nowhere, which the namespace")
    kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "half", "namespace": rig.SPACE},
                "stringData": {"gateway-token": rig.TOKEN}})
    refused("a Secret without the database's password", {"secret": {"existingSecret": "half"}}, "has no key store-password")
    refused("a value of the wrong type", {"replicas": "many"}, "replicas")
    wrong = {"store": {"postgres": {"url": f"postgres://regrow@postgres.{rig.RIG}.svc:5432/elsewhere"}}}
    ended = rig.helm_release("install", wrong, release="wrong", flags=["--timeout", "240s"])
    pods = kube.get("pods", "-n", rig.SPACE, "-l", "app.kubernetes.io/instance=wrong")
    said = [c["state"].get("terminated", {}).get("message", "") for p in pods for c in p["status"].get("containerStatuses", [])]
    report.check("a database that is not there: the installation fails before any replica is made",
                 ended.returncode != 0 and not rig.replicas("wrong"), ended.stderr)
    report.check("and the pods that failed stay and say why", any("elsewhere" in message for message in said), said)
    kube.helm("uninstall", "wrong", "-n", rig.SPACE, check=False)
    kube.kubectl("delete", "job,configmap", "-n", rig.SPACE, "-l", "app.kubernetes.io/instance=wrong", check=False)


def refused(what, values, why, base=rig.VALUES):
    ended = rig.helm_release("install", values, release="refused", base=base)
    report.check(f"refused: {what}", ended.returncode != 0 and why in ended.stderr, ended.stderr + ended.stdout)
