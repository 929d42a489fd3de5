"""A new release, a new size, and releases that cannot work: under load of senders who never ask again."""

import os
import time

from . import kube, report, rig, talking


def scene():
    talk = talking.load("upgrade")
    new = os.environ.get("REGROW_NEXT_IMAGE")
    values = rig.image_values(new) if new else {"podAnnotations": {"release": "next"}}
    begin = time.monotonic()
    ended = rig.helm_release("upgrade", values, flags=["--wait", "--timeout", "400s"])
    report.check("upgraded under load", ended.returncode == 0 and settles(3), lambda: rig.logs() + ended.stderr)
    report.figure("`helm upgrade`, three replicas exchanged under load", f"{time.monotonic() - begin:.0f} s")
    begin = time.monotonic()
    rolled = kube.helm("rollback", rig.RELEASE, "1", "-n", rig.SPACE, "--wait", "--timeout", "400s", check=False)
    report.check("rolled back under load", rolled.returncode == 0 and settles(3), rolled.stderr)
    report.figure("`helm rollback`", f"{time.monotonic() - begin:.0f} s")
    scaled(5)
    scaled(3)
    counts = talk.end("no reply failed while replicas were exchanged twice, added and taken away")
    told("exchange, rollback, three to five to three", counts)


def scaled(number):
    kube.kubectl("scale", "-n", rig.SPACE, f"deployment/{rig.RELEASE}", f"--replicas={number}")
    report.check(f"scaled to {number} under load", settles(number), rig.logs)


def settles(number):
    """So many replicas and no other pod of the release, also none that is going."""
    return kube.until(240, lambda: rig.whole(number) and len(rig.pods("replica")) == number) is not None


def told(what, counts):
    report.figure(f"replies during {what}", f"{counts['whole']:.0f} of {counts['asked']:.0f} whole, {counts['asked again']:.0f} "
                  f"asked again, median {counts['median']:.1f} s, longest {counts['longest']:.1f} s")


def broken():
    """Each stops at its first step; the replicas that serve are not touched."""
    talk = talking.load("broken")
    before = names()
    refused("an image that is not there", before, {"image": {"tag": "no-such-tag"}})
    refused("a configuration that is wrong", before, {"config": {"agents": {"defaults": {"model": "nobody/nothing"}}}})
    wrong = f"postgres://regrow@postgres.{rig.RIG}.svc:5432/elsewhere"
    refused("a migration that fails", before, {"store": {"postgres": {"url": wrong}}, "migration": {"activeDeadlineSeconds": 20}})
    counts = talk.end("no reply failed meanwhile")
    told("three broken upgrades and rollbacks", counts)


def names():
    return sorted(p["metadata"]["name"] for p in rig.ready_replicas())


def refused(what, before, values):
    ended = rig.helm_release("upgrade", values, flags=["--wait", "--timeout", "30s"])
    report.check(f"an upgrade with {what} fails", ended.returncode != 0)
    report.check("and every replica before it is ready", set(before) <= set(names()), f"{before} before, {names()} after")
    rolled = kube.helm("rollback", rig.RELEASE, "-n", rig.SPACE, "--wait", "--timeout", "120s", check=False)
    report.check("rolled back", rolled.returncode == 0 and settles(3), rolled.stderr)
    report.equal("and they are the same as before", names(), before)
