"""A search on the table engine that is run to its end in the test's own process, so that it can be looked into.

>>> from ackexplore import Options
>>> from ackmodel import Config
>>> search = Search(Config(messages=1), Options())
>>> to_the_end(search).states, search.layout.words
(54, 1)
"""

from ackexplore.result import Result
from ackexplore.table.engine import Search


def to_the_end(search: Search) -> Result:
    """Run a search that has not begun until nothing is left, and return what it found."""
    search.start()
    while search.advance():
        pass
    result = search.result(complete=True)
    search.close()
    return result
