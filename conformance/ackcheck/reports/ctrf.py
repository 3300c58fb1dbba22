"""A sheet as CTRF, the Common Test Report Format (JSON, ctrf.io), which dashboards and pull-request bots read.

>>> from ackcheck.reports.sheet import Case, Sheet
>>> told = ctrf(Sheet("ackcheck run", "my store", "kept", (Case("clause.no-limbo", "passed", seconds=0.5),)))
>>> told["results"]["summary"]["passed"], told["results"]["tests"][0]["duration"]
(1, 500)
"""

from __future__ import annotations

from datetime import datetime
from importlib import metadata
from typing import Any

from ackcheck.reports.sheet import Case, Sheet

SPEC_VERSION = "0.0.0"
"""Of the format: its schema of 2025 knows no other."""


def ctrf(sheet: Sheet) -> dict[str, Any]:
    """Return the report, as JSON types."""
    start = int(datetime.fromisoformat(sheet.began).timestamp() * 1000) if sheet.began else 0
    return {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "results": {
            "tool": {"name": sheet.tool, "version": metadata.version("ackcheck")},
            "summary": {
                "tests": len(sheet.cases),
                "passed": sheet.count("passed"),
                "failed": sheet.count("failed"),
                "skipped": sheet.count("skipped"),
                "pending": 0,
                "other": 0,
                "start": start,
                "stop": start + int(sheet.seconds * 1000),
            },
            "tests": [_test(case) for case in sheet.cases],
            "environment": {"appName": sheet.title, "extra": dict(sheet.facts)},
        },
    }


def _test(case: Case) -> dict[str, Any]:
    told: dict[str, Any] = {"name": case.id, "status": case.status, "duration": int(case.seconds * 1000)}
    if case.why:
        told["message"] = case.why
    if case.details:
        told["trace"] = case.details
    return told | ({"extra": {"says": case.says}} if case.says else {})
