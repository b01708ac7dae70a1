"""Ready-to-paste lines with which each client connects; every name is quoted in its syntax."""

from myriad.connect import cassandra
from myriad.connect.cassandra import Contact
from myriad.connect.postgres import CLIENTS, Client, Target, reachable

CQL_CLIENTS = cassandra.CLIENTS

__all__ = ["CLIENTS", "CQL_CLIENTS", "Client", "Contact", "Target", "reachable"]
