"""The gateway's token is changed in its Secret: replicas take the new one without a restart, and streams go on."""

import secrets
import time

from . import kube, report, rig, store, talking, upgrade

ASK = """
import sys, urllib.request, urllib.error
for address in sys.argv[2:]:
    asked = urllib.request.Request(f'http://{address}:18789/v1/models', headers={'Authorization': 'Bearer ' + sys.argv[1]})
    try:
        print(urllib.request.urlopen(asked, timeout=5).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


def scene():
    talk = talking.enduring("rotation")
    before, old, new = store.restarts(), rig.TOKEN, secrets.token_hex(24)
    report.need("every replica takes the old token", answers(talk, old) == {"200"})
    rig.TOKEN = new
    for space in (rig.SPACE, rig.RIG):
        kube.apply(rig.secret(space, {"gateway-token": new, "store-password": rig.PASSWORD}))
    begin = time.monotonic()
    taken = kube.until(180, lambda: answers(talk, new) == {"200"}, every=1)
    report.need("every replica takes the new token", taken is not None, rig.logs)
    report.figure("Secret changed until every replica takes the new token", f"{time.monotonic() - begin:.0f} s")
    report.equal("none takes the old one", answers(talk, old), {"401"})
    report.equal("nobody was restarted", store.restarts(), before)
    # The senders' own file follows a little before or after.
    kube.until(120, lambda: new in kube.kubectl("exec", "-n", rig.RIG, talk.name, "--", "cat", "/run/secrets/regrow/gateway-token").stdout)
    upgrade.told("the rotation", talk.end("every reply is given whole and once"))


def answers(talk, token):
    addresses = [p["status"]["podIP"] for p in rig.ready_replicas()]
    said = kube.kubectl("exec", "-n", rig.RIG, talk.name, "--", "python3", "-c", ASK, token, *addresses, check=False).stdout
    return set(said.split())
