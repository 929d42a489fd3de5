"""Replicas for the doors and replicas for the runs, instead of replicas that do both."""

from . import kube, report, rig, talking, upgrade

SPLIT = {"split": {"enabled": True, "gateway": {"replicas": 2, "resources": rig.VALUES["resources"]}}, "replicas": 2}


def scene():
    talk = talking.enduring("split")
    ended = rig.helm_release("upgrade", SPLIT, flags=["--wait", "--timeout", "400s"])
    report.need("doors and runs get replicas of their own", ended.returncode == 0 and parted(), lambda: rig.logs() + ended.stderr)
    worker = rig.staying("worker")[0]
    report.check("they answer", *talking.answers("doors"))
    # A run dies with its worker, and its client's connection, to a door, stays.
    kube.kubectl("delete", "pod", "-n", rig.SPACE, worker["metadata"]["name"], "--grace-period=0", "--force")
    report.need("a worker that is killed is replaced", kube.until(90, parted) is not None, rig.logs)
    ended = rig.helm_release("upgrade", flags=["--wait", "--timeout", "400s"])
    report.check("and one kind of replicas again", ended.returncode == 0 and upgrade.settles(3), lambda: rig.logs() + ended.stderr)
    upgrade.told("splitting, a killed worker, and back", talk.end("every reply is given whole and once"))


def parted():
    kinds = rig.staying("gateway"), rig.staying("worker")
    return all(len(kind) == 2 and all(map(kube.is_ready, kind)) for kind in kinds) and not rig.replicas()
