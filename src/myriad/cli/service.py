"""`myriad service` and `completion`: what the machine and the shell are told of Myriad."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from myriad.cli import main
from myriad.cli.columns import echo
from myriad.cli.common import Session, common
from myriad.errors import UsageError
from myriad.running.service import Service

SHELLS = ("bash", "zsh", "fish")
system_or_user = click.option(
    "--system/--user",
    "system",
    default=None,
    help="The machine's systemd, or one's own; without: the machine's for root.",
)


@click.group("service")
def service_command() -> None:
    """Have systemd keep a home up."""


@service_command.command("install")
@system_or_user
@click.option("--print", "only_print", is_flag=True, help="Print the unit, and change nothing.")
@common
def service_install(session: Session, *, system: bool | None, only_print: bool) -> None:
    """Write a unit for this home, so that it is up whenever the machine is.

    Settings belong into the home's myriad.toml: the unit has none.
    """
    service = _service(session, system=system)
    if only_print:
        session.result({"path": str(service.path), "unit": service.text()}, service.text().rstrip())
        return
    left = service.install()
    _tell(session, service, f"wrote {service.path}", left, "start")


@service_command.command("remove")
@system_or_user
@common
def service_remove(session: Session, *, system: bool | None) -> None:
    """Stop the service and take its unit away. The home stays as it is."""
    service = _service(session, system=system)
    left = service.remove()
    _tell(session, service, f"removed {service.path}", left)


def _service(session: Session, *, system: bool | None) -> Service:
    installation = session.open()
    chosen = os.geteuid() == 0 if system is None else system
    return Service(installation.home, installation.settings, chosen)


def _tell(session: Session, service: Service, done: str, left: list[str], then: str = "") -> None:
    lines = [done]
    doubts = service.doubts() if then else ""
    if doubts:
        lines.append(f"systemd-analyze says:\n{doubts}")
    if left:
        lines += ["hint: systemd did not take it; where it runs:", *(f"  {each}" for each in left)]
    if then:
        whose = "" if service.system else " --user"
        lines.append(f"Start it now: systemctl{whose} {then} {service.name}")
        if not service.system:
            lines.append("Up also while you are not logged in: loginctl enable-linger")
    session.done({"path": str(service.path), "left": left}, "\n".join(lines))


@click.command("completion")
@click.argument("shell", required=False, type=click.Choice(SHELLS))
@common
def completion_command(session: Session, *, shell: str | None) -> None:
    """Print what lets a SHELL complete commands and options; without one, for yours."""
    name = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(name)
    if kind is None or name not in SHELLS:
        raise UsageError(
            f"there is no completion for {name or 'a shell without a name'}",
            hint=f"Say which: {', '.join(SHELLS)}.",
        )
    script = kind(main, {}, "myriad", "_MYRIAD_COMPLETE").source()
    if session.as_json:
        session.result({"shell": name, "script": script}, "")
    else:
        echo(script)
