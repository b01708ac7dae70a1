"""What a session does now, as `myriad people` shows it."""

import time
from typing import Any

from myriad.door.session.state import SessionState
from myriad.door.verdict.masking import masked

MOST_TEXT_BYTES = 500


def activity(session: SessionState) -> dict[str, Any]:
    """Return what a session does now."""
    unit = session.unit
    if session.backend is None and session.paused:
        state, since = "waiting", session.changed_at
    elif session.busy:
        state, since = "active", unit.began
    elif session.in_transaction:
        state, since = "idle in transaction", session.changed_at
    else:
        state, since = "idle", session.changed_at
    return {
        "person": session.account.name,
        "database": session.pool.database,
        "address": session.came.address,
        "way": session.came.way,
        "state": state,
        "seconds": round(time.monotonic() - since, 3),
        "statement": masked(unit.text)[:MOST_TEXT_BYTES].decode(errors="replace"),
        "application": session.parameters.values.named.get("application_name", ""),
        "pool": session.pool.role,
        "process": session.backend.number if session.backend else 0,
        "rows": session.quota.rows,
        "bytes": session.quota.bytes,
    }
