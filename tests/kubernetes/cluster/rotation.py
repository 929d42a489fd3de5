"""Token and database password are changed in their Secret: replicas take the new ones without a restart, and replies go on."""

import secrets
import time

from . import kube, report, rig, store, talking, upgrade

# What each address answers to a token, and how many changes of its configuration a replica has taken.
MODELS = """
import sys, urllib.request, urllib.error
for address in sys.argv[2:]:
    asked = urllib.request.Request(f'http://{address}:18789/v1/models', headers={'Authorization': 'Bearer ' + sys.argv[1]})
    try:
        print(urllib.request.urlopen(asked, timeout=5).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
RELOADS = """
import sys, urllib.request
for address in sys.argv[1:]:
    for line in urllib.request.urlopen(f'http://{address}:9464/metrics', timeout=5).read().decode().splitlines():
        if line.startswith('regrow_config_reloads_total{outcome="applied"}'):
            print(float(line.split()[-1]))
"""


def scene():
    talk = talking.enduring("rotation")
    before = store.restarts()
    token(talk)
    password(talk)
    report.equal("nobody was restarted", store.restarts(), before)
    upgrade.told("both rotations", talk.end("every reply is given whole and once"))


def token(talk):
    old, new = rig.TOKEN, secrets.token_hex(24)
    report.need("every replica takes the old token", answers(talk, old) == {"200"})
    rig.TOKEN = new
    change(rig.SPACE, rig.RIG)
    begin = time.monotonic()
    taken = kube.until(180, lambda: answers(talk, new) == {"200"}, every=1)
    report.need("every replica takes the new token", taken is not None, rig.logs)
    report.figure("Secret changed until every replica takes the new token", f"{time.monotonic() - begin:.0f} s")
    report.equal("none takes the old one", answers(talk, old), {"401"})
    # The senders' own file follows a little before or after.
    kube.until(120, lambda: new in talk.read("/run/secrets/regrow/gateway-token"))


def password(talk):
    """First here, then on the server, which then forgets all connections."""
    rig.PASSWORD = secrets.token_hex(16)
    before = reloads(talk)
    change(rig.SPACE)
    taken = kube.until(180, lambda: knows_more(reloads(talk), before), every=1)
    report.need("every replica knows the new password of the database", taken is not None, rig.logs)
    sql = f"""ALTER ROLE regrow PASSWORD '{rig.PASSWORD}';
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'regrow' AND pid <> pg_backend_pid()"""
    kube.kubectl("exec", "-n", rig.RIG, "postgres", "--", "psql", "-U", "regrow", "-d", "regrow", "-c", sql)
    report.check("with it, and new connections, they answer", *talking.answers("password"))


def knows_more(now, before):
    return len(now) == len(before) and all(count > then for count, then in zip(now, before))


def change(*spaces):
    for space in spaces:
        kube.apply(rig.secret(space, {"gateway-token": rig.TOKEN, "store-password": rig.PASSWORD}))


def ask_each(talk, script, *arguments):
    addresses = sorted(p["status"]["podIP"] for p in rig.ready_replicas())
    asked = kube.kubectl("exec", "-n", rig.RIG, talk.name, "--", "python3", "-c", script, *arguments, *addresses, check=False)
    return asked.stdout.split()


def answers(talk, token):
    return set(ask_each(talk, MODELS, token))


def reloads(talk):
    return [float(count) for count in ask_each(talk, RELOADS)]
