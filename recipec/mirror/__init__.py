"""Copies of what lies elsewhere: in object stores, on servers, in databases, on the web.

A source that is not on this machine is copied into the workspace before a run (``recipec run``, or ``recipec fetch`` alone) and read
from there. So a run can be repeated without the network, a server that changes during a run spoils nothing, contents are known by
their digests as those of any file, and ``check`` and ``plan`` never open a connection: they know what the last copy holds.
"""
