"""What a result looks like outside of a terminal: JUnit XML, CTRF, Markdown, a page, verdicts side by side, a claim.

`record` reads a verdict's JSON, `sheet` turns the results of all commands into rows of one form, and a module a format
writes them. None of it needs the store: a report can be made on another machine, from the JSON.
"""
