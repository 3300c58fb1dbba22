"""A sheet as JUnit XML, which every CI system reads: a test case a row, with the whole finding as its failure.

>>> from ackcheck.reports.sheet import Case, Sheet
>>> print(junit(Sheet("ackcheck run", "my store", "broken", (Case("clause.no-limbo", "failed", why="lost \\x00"),))))
<?xml version='1.0' encoding='utf-8'?>
<testsuites tests="1" failures="1" skipped="0" errors="0" time="0.000">
  <testsuite name="my store" tests="1" failures="1" skipped="0" errors="0" time="0.000">
    <testcase classname="ackcheck.run.clause" name="no-limbo" time="0.000">
      <failure message="lost \ufffd" type="broken" />
    </testcase>
  </testsuite>
</testsuites>
<BLANKLINE>
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from ackcheck.reports.sheet import Case, Sheet
from ackcheck.signs import clean


def junit(sheet: Sheet) -> str:
    """Return the XML."""
    counts = {
        "tests": str(len(sheet.cases)),
        "failures": str(sheet.count("failed")),
        "skipped": str(sheet.count("skipped")),
        "errors": "0",
        "time": f"{sheet.seconds:.3f}",
    }
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(root, "testsuite", {"name": clean(sheet.title), **counts})
    if sheet.began:
        suite.set("timestamp", sheet.began.removesuffix("Z"))
    if sheet.facts:
        properties = ET.SubElement(suite, "properties")
        for name, value in sheet.facts.items():
            ET.SubElement(properties, "property", {"name": clean(name), "value": clean(value)})
    for case in sheet.cases:
        _add(suite, sheet, case)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text.decode() + "\n"


def _add(suite: ET.Element, sheet: Sheet, case: Case) -> None:
    group, _, name = case.id.partition(".")
    classname = f"{sheet.tool.replace(' ', '.')}.{group}"
    row = ET.SubElement(suite, "testcase", {"classname": classname, "name": name, "time": f"{case.seconds:.3f}"})
    if case.status == "failed":
        failure = ET.SubElement(row, "failure", {"message": clean(case.why), "type": "broken"})
        failure.text = clean("\n\n".join(filter(None, [case.says, case.details]))) or None
    elif case.status == "skipped":
        ET.SubElement(row, "skipped", {"message": clean(case.why or "not judged")})
