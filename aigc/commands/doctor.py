"""`aigc doctor`: checks of this machine and its cluster, with advice."""

from __future__ import annotations

import dataclasses

import typer

from aigc.commands.common import AsJson, print_json, print_table


def doctor(as_json: AsJson = False) -> None:
    """Check Python, torch, Ray, the cluster, S3 and the model store. Exits with 1 if a check fails.

    Example: aigc doctor
    """
    from aigc.distributed.doctor import examine

    findings = examine()
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        rows = [(each.state, each.subject, _cell(each.found, each.advice)) for each in findings]
        print_table(("", "check", "result"), rows)
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(1)


def _cell(found: str, advice: str) -> str:
    return f"{found}\n→ {advice}" if advice else found
