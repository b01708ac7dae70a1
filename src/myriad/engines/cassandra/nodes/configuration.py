"""The configuration of our own Cassandra nodes, sized from the machine; rewritten at each start."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myriad.engines.cassandra.base import DATACENTER, OWN_BATCH
from myriad.machine.resources import Machine
from myriad.settings import Settings

TOKENS = 16  # of each node; Cassandra's default
PARTITIONER = "org.apache.cassandra.dht.Murmur3Partitioner"
RING = 2**64  # tokens are -2^63 to 2^63 - 1
HEAP_MB = (512, 4096)  # the least that it runs with, and the most that small clusters profit from
BESIDES_HEAP_MB = 450  # of a node: its code, buffers and memtables
SHARE = 8  # our nodes' heaps together take this part of the memory
MOST_PEOPLE = 100_000  # of whom a node remembers what they may; Cassandra's default is 1,000
DROPS_WITHIN = "2s"  # a right that was taken ends within this time: it is asked for again


@dataclass(frozen=True)
class Layout:
    """What a cluster was made with; it stays so.

    Attributes:
        addresses: of the nodes, in order.
        port: where people connect, on each address.
        storage_port: where nodes speak to each other, on each address.
    """

    addresses: tuple[str, ...]
    port: int
    storage_port: int

    def tokens(self, number: int) -> list[int]:
        """Return the tokens of node `number` (from 1): every n-th of an even division."""
        nodes = len(self.addresses)
        every = [-(2**63) + RING // (TOKENS * nodes) * step for step in range(TOKENS * nodes)]
        return every[number - 1 :: nodes]


def heap_mb(settings: Settings, nodes: int, have: Machine) -> int:
    """Return the heap of each node in MB."""
    low, high = HEAP_MB
    return settings.cassandra_heap_mb or max(low, min(have.memory_mb // (SHARE * nodes), high))


def node(
    settings: Settings, layout: Layout, number: int, folder: Path, *, replacing: bool
) -> dict[str, Any]:
    """Return what cassandra.yaml of node `number` says.

    `replacing`: it takes over from a node of the same address whose data is gone, and brings its
    rows from the others.
    """
    address = layout.addresses[number - 1]
    seeds = [other for other in layout.addresses if not (replacing and other == address)]
    return {
        "cluster_name": "myriad",
        "partitioner": PARTITIONER,
        "endpoint_snitch": "SimpleSnitch",
        "num_tokens": TOKENS,
        **({} if replacing else {"initial_token": ",".join(map(str, layout.tokens(number)))}),
        "auto_bootstrap": replacing,
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": ",".join(seeds)}],
            }
        ],
        "listen_address": address,
        "rpc_address": address,
        "storage_port": layout.storage_port,
        "native_transport_port": layout.port,
        **_folders(folder),
        **_durability(settings),
        **_storage(),
        **_rights(settings),
        **_guardrails(settings),
    }


def _folders(folder: Path) -> dict[str, Any]:
    data = folder / "data"
    return {
        "data_file_directories": [str(data / "data")],
        "commitlog_directory": str(data / "commitlog"),
        "saved_caches_directory": str(data / "saved_caches"),
        "hints_directory": str(data / "hints"),
        "cdc_raw_directory": str(data / "cdc_raw"),
    }


def _durability(settings: Settings) -> dict[str, Any]:
    sync: dict[str, Any] = {"commitlog_sync": settings.cassandra_commitlog_sync}
    if settings.cassandra_commitlog_sync == "periodic":
        sync["commitlog_sync_period"] = "1s"
    elif settings.cassandra_commitlog_sync == "group":
        sync["commitlog_sync_group_window"] = "10ms"
    return {
        **sync,
        "commitlog_segment_size": "32MiB",
        "commitlog_total_space": "512MiB",
        # Through the page cache: what was acknowledged survives the end of the process.
        "commitlog_disk_access_mode": "legacy",
        "auto_snapshot": False,
        # A node that cannot write ends, and whoever watches it starts it again.
        "disk_failure_policy": "die",
        "commit_failure_policy": "die",
        "hinted_handoff_enabled": True,
        "hints_flush_period": "1s",
        "hinted_handoff_throttle": "10MiB",
    }


def _storage() -> dict[str, Any]:
    return {
        "storage_compatibility_mode": "NONE",
        "uuid_sstable_identifiers_enabled": True,
        "sstable": {"selected_format": "bti"},
        "memtable": {
            "configurations": {
                "skiplist": {"class_name": "SkipListMemtable"},
                "trie": {"class_name": "TrieMemtable"},
                "default": {"inherits": "trie"},
            }
        },
        "memtable_allocation_type": "offheap_objects",
        "default_compaction": {
            "class_name": "UnifiedCompactionStrategy",
            "parameters": {"scaling_parameters": "T4", "target_sstable_size": "1GiB"},
        },
        "concurrent_compactors": 2,
        "key_cache_size": "0MiB",
        "paxos_variant": "v2",
    }


def _rights(settings: Settings) -> dict[str, Any]:
    required = settings.cassandra_login == "required"
    return {
        "authenticator": "PasswordAuthenticator" if required else "AllowAllAuthenticator",
        "authorizer": "CassandraAuthorizer" if required else "AllowAllAuthorizer",
        "role_manager": "myriad.Roles",
        "roles_validity": DROPS_WITHIN,
        "permissions_validity": DROPS_WITHIN,
        "credentials_validity": DROPS_WITHIN,
        "roles_cache_max_entries": MOST_PEOPLE,
        "permissions_cache_max_entries": MOST_PEOPLE,
        "credentials_cache_max_entries": MOST_PEOPLE,
        "dynamic_data_masking_enabled": True,
    }


def _guardrails(settings: Settings) -> dict[str, Any]:
    """Return what nobody may do, because it would hurt all others."""
    rails: dict[str, Any] = {
        "batch_size_warn_threshold": f"{2 * OWN_BATCH[0] // 1024}KiB",
        "batch_size_fail_threshold": f"{16 * OWN_BATCH[0] // 1024}KiB",
        "unlogged_batch_across_partitions_warn_threshold": OWN_BATCH[1],
        "materialized_views_enabled": False,
        "sasi_indexes_enabled": False,
        "user_defined_functions_enabled": False,
        # A table with the number of one that is there, or was, would get its rows.
        "table_properties_disallowed": ["id"],
        "default_secondary_index": "sai",
        "page_size_fail_threshold": 100_000,
        "keyspaces_warn_threshold": 100,
        "tables_warn_threshold": 500,
        "partition_size_warn_threshold": "100MiB",
        "partition_tombstones_warn_threshold": 100_000,
    }
    if settings.limit_statement_seconds:
        # Whole scans by token range may take longer than Cassandra's default of 10 seconds.
        rails["range_request_timeout"] = f"{min(int(settings.limit_statement_seconds), 60)}s"
    return rails


def render(values: dict[str, Any]) -> str:
    """Return the text of cassandra.yaml; JSON is YAML."""
    return f"# Myriad writes this file at each start.\n{json.dumps(values, indent=2)}\n"


def jvm_options(heap: int, cores: int) -> str:
    """Return the options that depend on the machine, one a line, for `java @file`."""
    direct = max(512, heap)
    return (
        f"-Xms{heap}M\n-Xmx{heap}M\n-XX:MaxDirectMemorySize={direct}M\n"
        f"-XX:ActiveProcessorCount={cores}\n"
    )


def datacenters(layout: Layout) -> dict[str, int]:
    """Return how many nodes are in which datacenter."""
    return {DATACENTER: len(layout.addresses)}
