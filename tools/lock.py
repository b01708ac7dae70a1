"""Write or check `requirements.lock`: names, versions and hashes of everything `.venv` holds.

`python tools/lock.py` brings it up to date, keeping versions that still fit (`--upgrade`: the
newest); `--check` says, without a network, whether it was made for this `pyproject.toml`.
"""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
MARK = "# Made by `make lock` for the requirements with SHA-256 "
ENTRY = re.compile(r"^[a-z0-9._-]+==\S+", re.IGNORECASE)


def requirements_digest() -> str:
    """Return a digest of everything in `pyproject.toml` that decides what the lock holds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = {
        "python": project["project"]["requires-python"],
        "run": project["project"]["dependencies"],
        "extras": project["project"]["optional-dependencies"],
        "groups": project["dependency-groups"],
        "build": project["build-system"]["requires"],
    }
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def faults() -> list[str]:
    """Return what is wrong with the lock; empty if it fits."""
    text = LOCK.read_text("utf-8") if LOCK.exists() else ""
    found = []
    if not text.startswith(f"{MARK}{requirements_digest()}\n"):
        found.append("it was not made for this pyproject.toml")
    entries = text.replace("\\\n", " ").splitlines()
    for entry in entries:
        if entry.startswith("#") or not entry.strip():
            continue
        if not ENTRY.match(entry) or "--hash=sha256:" not in entry:
            found.append(f"no version or hash: {entry[:60]}")
        if "://" in entry:
            found.append(f"an address: {entry[:60]}")
    return found


def write(*, upgrade: bool) -> None:
    """Resolve for all platforms and Python versions that `requires-python` names."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"]
    command += ["--generate-hashes", "--no-header", "--no-annotate", "--all-extras"]
    command += ["--group", "dev", "pyproject.toml", "--output-file", LOCK.name]
    subprocess.run(command + ["--upgrade"] * upgrade, cwd=ROOT, check=True)
    LOCK.write_text(f"{MARK}{requirements_digest()}\n{LOCK.read_text('utf-8')}", "utf-8")


def main() -> None:
    """Run as a program."""
    if "--check" not in sys.argv:
        write(upgrade="--upgrade" in sys.argv)
    if found := faults():
        sys.exit(f"requirements.lock: {'; '.join(found)}\nhint: `make lock` makes it anew.")


if __name__ == "__main__":
    main()
