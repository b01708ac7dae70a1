"""Ready-to-paste lines with which each client connects; every name is quoted in its syntax."""

from myriad.connect import cassandra, forms, postgres
from myriad.connect.cassandra import Contact
from myriad.connect.postgres import SYSTEM, Client, Target, Trust, reachable

CLIENTS = postgres.CLIENTS | forms.FORMS
CQL_CLIENTS = cassandra.CLIENTS

__all__ = ["CLIENTS", "CQL_CLIENTS", "SYSTEM", "Client", "Contact", "Target", "Trust", "reachable"]
