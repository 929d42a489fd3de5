"""Replicas die in the middle of replies."""

from signal import SIGKILL

from . import kube, report, rig, talking, upgrade

KILLS = 6


def scene():
    talk = talking.enduring("kill")
    longest = 0.0
    for number in range(KILLS):
        victim = rig.ready_replicas()[0]
        name = victim["metadata"]["name"]
        if number % 2:
            kube.kubectl("delete", "pod", "-n", rig.SPACE, name, "--grace-period=0", "--force")
        else:
            rig.signal(victim, "regrow", SIGKILL)
        back = kube.until(120, lambda: rig.whole(3) and restarted(victim))
        report.need("three replicas are ready again", back is not None, rig.logs)
        longest = max(longest, back)
    counts = talk.end(f"{KILLS} replicas are killed, every reply is given whole and once")
    report.check("the kills met replies", counts["asked again"] > 0)
    report.figure("a replica killed until three are ready again, longest", f"{longest:.1f} s")
    upgrade.told(f"{KILLS} kills", counts)


def restarted(victim):
    """It runs again, or another pod is there instead."""
    now = [p for p in rig.replicas() if p["metadata"]["name"] == victim["metadata"]["name"]]
    return not now or now[0]["status"]["containerStatuses"][0]["restartCount"] > victim["status"]["containerStatuses"][0]["restartCount"]
