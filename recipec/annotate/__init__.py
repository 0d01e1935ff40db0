"""People label rows: ``recipec annotate`` and its page.

``rows`` finds the rows to ask for, ``answers`` keeps the file in git, ``session`` is one person's work on them, ``server`` shows
it to a browser on this machine (``page.html``, one file), :mod:`recipec.labels.people` says how far people agree.
"""
