"""Kinds of messages: the byte that each begins with.

Source: PostgreSQL's documentation, "Frontend/Backend Protocol", "Message Formats". A byte may mean
one thing from a client and another from a server.
"""

# From a client.
QUERY, PARSE, BIND, DESCRIBE, EXECUTE, CLOSE, SYNC, FLUSH, FUNCTION_CALL = b"QPBDECSHF"
PASSWORD, TERMINATE = b"pX"
# From both.
COPY_DATA, COPY_DONE, COPY_FAIL = b"dcf"
# From a server.
AUTHENTICATION, KEY, READY, ERROR, NOTICE, NOTIFICATION, PARAMETER_STATUS = b"RKZENAS"
PARAMETER_DESCRIPTION, ROW_DESCRIPTION, NO_DATA = b"tTn"
DATA_ROW, COMMAND_COMPLETE, EMPTY_QUERY, PORTAL_SUSPENDED = b"DCIs"
PARSE_COMPLETE, BIND_COMPLETE, CLOSE_COMPLETE = b"123"
COPY_IN, COPY_OUT, COPY_BOTH = b"GHW"

# What Describe and Close speak of.
STATEMENT, PORTAL = b"SP"

# They answer nothing: a server may send them at any time.
ASIDE = frozenset((NOTICE, NOTIFICATION))
COPY_ENDS = frozenset((COPY_DONE, COPY_FAIL))
CLIENT_KINDS = COPY_ENDS | {
    QUERY, PARSE, BIND, DESCRIBE, EXECUTE, CLOSE, SYNC, FLUSH, FUNCTION_CALL, TERMINATE
}  # fmt: skip
DESCRIPTIONS = frozenset((PARAMETER_DESCRIPTION, ROW_DESCRIPTION, NO_DATA))
