"""Signs that nothing we write may hold, be it a report or a line on a terminal: a store can put anything into an error.

>>> clean("lost \\x00 at 消息")
'lost \ufffd at 消息'
"""

import re

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to hold, not even escaped; nor has HTML."""


def clean(text: str) -> str:
    """Return a text with what cannot be held replaced."""
    return NOT_IN_XML.sub("\ufffd", text)
