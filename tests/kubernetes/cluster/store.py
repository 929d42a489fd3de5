"""The database hangs, and it crashes: nobody is restarted for it, and everything goes on with it."""

from signal import SIGCONT, SIGKILL, SIGSTOP

from . import kube, report, rig, talking, upgrade


def scene():
    before = restarts()
    hangs()
    crashes()
    report.equal("nobody was restarted for it", restarts(), before)


def hangs():
    talk = talking.enduring("hang", silence=60)
    rig.signal(database(), "postgres", SIGSTOP, most=1000)
    try:
        took = kube.until(60, lambda: not rig.ready_replicas())
        report.check("while the database hangs, no replica is ready", took is not None)
        if took is not None:
            report.figure("the database hangs until no replica is ready", f"{took:.1f} s")
    finally:
        rig.signal(database(), "postgres", SIGCONT, most=1000)
    back = kube.until(120, lambda: rig.whole(3))
    report.need("with it they are ready again", back is not None, rig.logs)
    report.figure("it goes on until all are ready", f"{back:.1f} s")
    upgrade.told("a database that hangs", talk.end("every reply is given whole and once"))


def crashes():
    talk = talking.enduring("crash", silence=30)
    crashed = database()
    rig.signal(crashed, "postgres", SIGKILL)
    again = kube.until(60, lambda: restarted(crashed) and kube.is_ready(database()))
    report.need("the database crashes and is there again", again is not None)
    back = kube.until(120, lambda: rig.whole(3))
    report.need("three replicas are ready", back is not None, rig.logs)
    upgrade.told("a crash of the database", talk.end("every reply is given whole and once"))


def database():
    return kube.get("pod", "postgres", "-n", rig.RIG)


def restarted(before):
    return database()["status"]["containerStatuses"][0]["restartCount"] > before["status"]["containerStatuses"][0]["restartCount"]


def restarts():
    return {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"] for p in rig.replicas()}
