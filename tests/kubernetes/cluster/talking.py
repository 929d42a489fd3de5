"""Senders in pods of their own: `tests/talk.py`, which judges each reply."""

import re

import tools

from . import kube, report, rig

ENOUGH = "/tmp/enough"
# What is said goes into a file of the pod, which stays until the pod goes; a cluster may rotate or lose logs.
TALK = 'python3 -u /talk/talk.py "$@" >/tmp/said 2>&1; echo $? >/tmp/code; sleep 86400'


# Those who were not asked to end.
talking = []


def hush():
    """Ends the senders that a scene has left talking, because something went wrong in it."""
    for talk in list(talking):
        talk.leave()


def url(release=rig.RELEASE):
    name = release if rig.RELEASE in release else f"{release}-regrow"
    return f"http://{name}.{rig.SPACE}.svc:18789"


class Talk:
    """Senders from now on until `end`."""

    def __init__(self, name, what, *arguments, to=None):
        self.name, self.what = f"talk-{name}", what
        script = (tools.ROOT / "tests/talk.py").read_text()
        talking.append(self)
        kube.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "talk", "namespace": rig.RIG}, "data": {"talk.py": script}},
            rig.pod(self.name, {
                "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "talk", "image": rig.PYTHON, "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", TALK, "talk", what, *arguments],
                    "env": [{"name": "REGROW_URL", "value": to or url()},
                            {"name": "REGROW_TOKEN_FILE", "value": "/run/secrets/regrow/gateway-token"}],
                    "volumeMounts": [{"name": "talk", "mountPath": "/talk"},
                                     {"name": "secrets", "mountPath": "/run/secrets/regrow"}],
                }],
                "volumes": [{"name": "talk", "configMap": {"name": "talk"}},
                            {"name": "secrets", "secret": {"secretName": "regrow"}}],
            }))

    def read(self, file):
        return kube.kubectl("exec", "-n", rig.RIG, self.name, "--", "cat", file, check=False).stdout

    def logs(self):
        return self.read("/tmp/said")

    def ended(self):
        """The exit code, once there is one."""
        return self.read("/tmp/code").strip()

    def leave(self):
        talking.remove(self)
        kube.kubectl("delete", "pod", self.name, "-n", rig.RIG, "--ignore-not-found", "--wait")

    def begun(self):
        """Waits until all of them talk."""
        heard = kube.until(90, lambda: "talking" in self.logs() or self.ended())
        report.need(f"senders `{self.name}` talk", heard is not None and "talking" in self.logs(), self.logs())
        return self

    def end(self, what):
        """Lets them finish what they say; all of it must have been right. The last line has the counts."""
        kube.kubectl("exec", "-n", rig.RIG, self.name, "--", "touch", ENOUGH, check=False)
        kube.until(240, self.ended, every=1)
        said = self.logs().strip() or "nothing"
        last = said.splitlines()[-1]
        report.check(f"{what}: {last}", self.ended() == "0", said)
        self.leave()
        return {name: float(number) for name, number in re.findall(r"([a-z ]+) ([\d.]+)", last.replace(", ", "\n"))}


def load(name, conversations=16, words=40):
    """Replies that must come whole at once: nobody asks again."""
    return Talk(name, "load", "--until", ENOUGH, "--conversations", str(conversations), "--words", str(words)).begun()


def enduring(name, conversations=16, words=40, silence=5):
    """Replies whose senders ask again with the same key when they are cut off or hear nothing for some seconds."""
    return Talk(name, "load", "--until", ENOUGH, "--again", "--conversations", str(conversations), "--words", str(words),
                "--silence", str(silence)).begun()


def answers(name="ask", to=None):
    """Whether one message gets its reply."""
    talk = Talk(name, "ask", "--words", "5", to=to)
    kube.until(60, talk.ended)
    answer = talk.ended() == "0", talk.logs()
    talk.leave()
    return answer
