"""What was found: one line for each check, figures, and a verdict at the end."""

import os
import subprocess
import time
import traceback

counts = {"passed": 0, "failed": 0, "SKIPPED": 0}
figures = []
scene_name = ""


class Wrong(Exception):
    """A check whose failure makes the rest of a scene pointless."""


def begin(name):
    global scene_name
    scene_name = name
    print(f"--- {name}", flush=True)


def ok(what):
    counts["passed"] += 1
    print(f"ok    {what}", flush=True)


def fail(what, said=""):
    counts["failed"] += 1
    print(f"FAIL  {what}", flush=True)
    for line in str(said).strip().splitlines()[-20:]:
        print(f"      {line}", flush=True)


def skip(what, why):
    counts["SKIPPED"] += 1
    print(f"SKIP  {what}: {why}", flush=True)


def check(what, right, said=""):
    """`said` may be a function, which is asked only if it is wrong."""
    if right:
        ok(what)
    else:
        fail(what, said() if callable(said) else said)
    return right


def need(what, right, said=""):
    """A check without which its scene cannot go on."""
    if not check(what, right, said):
        raise Wrong(what)


def equal(what, got, wanted):
    return check(what, got == wanted, f"got {got!r}, not {wanted!r}")


def figure(what, value):
    """A measured value, for the table at the end."""
    figures.append((scene_name, what, value))
    print(f"      {what}: {value}", flush=True)


def guarded(scene):
    """Plays a scene; whatever goes wrong in it is a failure, and the next scene is played."""
    begun = time.monotonic()
    try:
        scene()
    except Wrong:
        print("      the rest of this scene is left out", flush=True)
    except subprocess.CalledProcessError as error:
        fail(f"{' '.join(map(str, error.cmd))[:200]} ended with {error.returncode}", error.stderr or error.stdout)
    except Exception:  # a fault of the test must not hide what the others find
        fail("the scene itself", traceback.format_exc())
    print(f"      {time.monotonic() - begun:.0f} s", flush=True)


def verdict():
    if figures:
        print("\n| scene | what | measured |\n|---|---|---|")
        for row in figures:
            print(f"| {' | '.join(row)} |")
    print("\n" + ", ".join(f"{number} {what}" for what, number in counts.items()))
    required = os.environ.get("REGROW_REQUIRE", "0") != "0"
    return 1 if counts["failed"] or (required and counts["SKIPPED"]) else 0
