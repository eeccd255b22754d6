"""A Dockerfile without Docker: its steps, taken in a bare Debian tree (debootstrap and chroot).

It knows the instructions that ours uses: FROM a Python image, ENV, RUN with a bind mount of the
context, USER, WORKDIR, EXPOSE, HEALTHCHECK, ENTRYPOINT and CMD. Root alone can do this.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

PYTHON = "/opt/python"  # where the image has /usr/local
DEBIAN = "http://deb.debian.org/debian"
NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/xdg/pip/constraints.txt")
MOUNTED = ("/proc", "/sys", "/dev")


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yield instruction and argument, lines that end with a backslash joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, argument = line.strip().partition(" ")
            yield name, argument.strip()


def context_files(root: Path, dockerignore: Path) -> list[Path]:
    """Return the files that git knows and that the ignore file lets into the context."""
    rules = dockerignore.read_text().split()
    wanted = [rule[1:] for rule in rules if rule.startswith("!")]
    listed = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\n")
    return [
        Path(name)
        for name in known
        if any(fnmatch(name, rule) or name.startswith(f"{rule}/") for rule in wanted)
        and (root / name).is_file()
    ]


class BareDebian:
    """A container of a Dockerfile; mounts exist only while a command runs.

    Args:
        tree: empty folder that becomes the root of the container.
        context: folder that the Dockerfile may copy from.
    """

    def __init__(self, tree: Path, context: Path) -> None:
        self.tree, self.context = tree, context
        self.environment = {"PATH": f"{PYTHON}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.user, self.folder = "root", "/"
        self.healthcheck: list[str] = []
        self.entrypoint: list[str] = []
        self.command: list[str] = []

    def build(self, dockerfile: Path) -> None:
        """Take all steps."""
        for name, argument in instructions(dockerfile):
            getattr(self, f"_{name.lower()}")(argument)

    def start(self, command: list[str], **options: object) -> subprocess.Popen[str]:
        """Start a command as the container's user."""
        inside = ["chroot", f"--userspec={self.user}", str(self.tree), "/bin/sh", "-c"]
        enter = f"cd {shlex.quote(self.folder)} && exec {shlex.join(command)}"
        mounts = "".join(f"mount --rbind {m} {self.tree}{m} && " for m in MOUNTED)
        script = f"{mounts}exec {shlex.join([*inside, enter])}"
        return subprocess.Popen(
            ["unshare", "--mount", "/bin/sh", "-c", script],
            env=self.environment,
            text=True,
            **options,  # type: ignore[call-overload]
        )

    def run(self, command: list[str]) -> None:
        """Run a command to its end."""
        with self.start(command) as process:
            assert process.wait() == 0, command

    def _from(self, image: str) -> None:
        release = re.fullmatch(r"python:[\d.]+-slim-(\w+)", image)
        assert release is not None, image
        packages = "--include=python3,python3-venv,ca-certificates"
        bootstrap = ["debootstrap", "--variant=minbase", packages, release[1], str(self.tree)]
        # It mounts /proc, which must be gone before the tree is deleted.
        apart = ["unshare", "--mount", *bootstrap, DEBIAN]
        subprocess.run(apart, check=True, stdout=subprocess.DEVNULL)
        for file in filter(os.path.exists, NETWORK):
            Path(f"{self.tree}{file}").parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, f"{self.tree}{file}")
        certificates = "/etc/ssl/certs/ca-certificates.crt"
        shutil.copy(certificates, f"{self.tree}{certificates}")
        self.run(["python3", "-m", "venv", PYTHON])

    def _env(self, argument: str) -> None:
        self.environment |= dict(pair.split("=", 1) for pair in shlex.split(argument))

    def _run(self, argument: str) -> None:
        mount = re.match(r"--mount=type=bind,target=(\S+),rw ", argument)
        if mount is None:
            self.run(["/bin/sh", "-ec", argument])
            return
        target = Path(f"{self.tree}{mount[1]}")
        for file in context_files(self.context, self.context / "deploy/Dockerfile.dockerignore"):
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.context / file, target / file)
        self.run(["/bin/sh", "-ec", argument[mount.end() :]])
        shutil.rmtree(target)

    def _user(self, argument: str) -> None:
        self.user = argument

    def _workdir(self, argument: str) -> None:
        self.folder = argument

    def _expose(self, argument: str) -> None:
        assert all(port.isdigit() for port in argument.split())

    def _healthcheck(self, argument: str) -> None:
        self.healthcheck = ["/bin/sh", "-c", argument.split("CMD ", 1)[1]]

    def _entrypoint(self, argument: str) -> None:
        self.entrypoint = json.loads(argument)

    def _cmd(self, argument: str) -> None:
        self.command = json.loads(argument)
