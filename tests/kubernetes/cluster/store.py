"""The database crashes: nobody is restarted for it, and everything goes on with it."""

from . import kube, report, rig, talking, upgrade


def scene():
    talk = talking.enduring("store", silence=30)
    before = restarts()
    kube.kubectl("exec", "-n", rig.RIG, "postgres", "--", "sh", "-c", "kill -9 $(head -n 1 $PGDATA/postmaster.pid)")
    took = kube.until(60, lambda: len(rig.ready_replicas()) < 3)
    report.check("without the store replicas are not ready", took is not None)
    back = kube.until(120, lambda: rig.whole(3))
    report.need("with it they are ready again", back is not None, rig.logs())
    report.equal("nobody was restarted", restarts(), before)
    upgrade.told("a crash of the database", talk.end("every reply is given whole and once"))


def restarts():
    return {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"] for p in rig.replicas()}
