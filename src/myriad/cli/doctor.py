"""`myriad doctor`: what is wrong with this machine, and what to do about it."""

import sys
from dataclasses import asdict

import click

from myriad.cli.common import Session, common
from myriad.machine.findings import WRONG, Finding
from myriad.running import checks


@click.command("doctor")
@common
def doctor_command(session: Session) -> None:
    """Check the machine and the home; exit code 1 if something is wrong."""
    installation = session.open()
    findings = checks.examine(installation.home, installation.settings)
    session.result([asdict(finding) for finding in findings], _text(findings))
    if any(finding.state == WRONG for finding in findings):
        sys.exit(1)


def _text(findings: list[Finding]) -> str:
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.state:<8} {finding.check}: {finding.message}")
        if finding.remedy:
            lines.append(f"         hint: {finding.remedy}")
    return "\n".join(lines)
