"""Function calls: which built-in functions leave something behind, and what a call does.

PostgreSQL's catalog says which functions are immutable or stable: those change nothing. The lists
here sort the volatile ones of PostgreSQL 18. A function on no list counts as one that leaves
something behind.
"""

from collections.abc import Callable
from typing import Any

from myriad.door.verdict.effects import NOT_SUPPORTED, Effects, words
from myriad.door.verdict.identity import note_call
from myriad.door.verdict.processes import ASKING, SIGNALS
from myriad.door.verdict.setting_changes import set_config

Node = dict[str, Any]

SHARED = "people who share your rights share this connection"
WRITE_ROWS = "write rows into a table, and read it from time to time"

# Volatile because their answer changes, not because they change anything: chance and the clock.
# A random number moves the session's generator on, which nobody can tell.
CHANCE = (
    "array_sample array_shuffle clock_timestamp gen_random_uuid random random_normal timeofday "
    "uuidv4 uuidv7"
)
# They only look: at files, shared memory, counters, the log of transactions.
LOOKING = (
    "current_query currtid2 pg_available_wal_summaries pg_blocking_pids "
    "pg_collation_actual_version pg_control_checkpoint pg_control_init pg_control_recovery "
    "pg_control_system pg_current_logfile pg_current_wal_flush_lsn pg_current_wal_insert_lsn "
    "pg_current_wal_lsn pg_database_collation_actual_version pg_database_size pg_get_aios "
    "pg_get_backend_memory_contexts pg_get_loaded_modules pg_get_multixact_members "
    "pg_get_sequence_data pg_get_shmem_allocations pg_get_shmem_allocations_numa "
    "pg_get_wait_events pg_get_wal_replay_pause_state pg_get_wal_resource_managers "
    "pg_get_wal_summarizer_state pg_hba_file_rules pg_ident_file_mappings pg_indexes_size "
    "pg_is_in_recovery pg_is_wal_replay_paused pg_last_committed_xact pg_last_wal_receive_lsn "
    "pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_lock_status pg_ls_archive_statusdir "
    "pg_ls_dir pg_ls_logdir pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir "
    "pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir pg_notification_queue_usage "
    "pg_partition_ancestors pg_partition_tree pg_prepared_xact pg_read_binary_file pg_read_file "
    "pg_relation_size pg_safe_snapshot_blocking_pids pg_sequence_last_value "
    "pg_show_all_file_settings pg_show_replication_origin_status pg_stat_file "
    "pg_stat_get_backend_io pg_stat_get_backend_wal pg_stat_get_io pg_stat_get_recovery_prefetch "
    "pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls "
    "pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time "
    "pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched "
    "pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted "
    "pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned "
    "pg_stat_get_xact_tuples_updated pg_stat_have_stats pg_table_size pg_tablespace_size "
    "pg_total_relation_size pg_wal_summary_contents pg_xact_commit_timestamp "
    "pg_xact_commit_timestamp_origin pg_xact_status txid_status"
)
# What they do ends with the statement or the transaction. Descriptors of large objects do, too.
PASSING = (
    "pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_advisory_xact_lock "
    "pg_advisory_xact_lock_shared pg_current_xact_id pg_export_snapshot pg_logical_emit_message "
    "pg_sleep pg_sleep_for pg_sleep_until pg_stat_clear_snapshot pg_try_advisory_xact_lock "
    "pg_try_advisory_xact_lock_shared txid_current lo_close lo_lseek lo_lseek64 lo_open lo_tell "
    "lo_tell64 loread"
)
# They change the database or the server for good, which is their purpose, and not the session.
LASTING = (
    "lo_creat lo_create lo_from_bytea lo_get lo_put lo_truncate lo_truncate64 lo_unlink lowrite "
    "pg_create_restore_point pg_log_standby_snapshot pg_reload_conf pg_rotate_logfile "
    "pg_stat_reset pg_stat_reset_backend_stats pg_stat_reset_replication_slot "
    "pg_stat_reset_shared pg_stat_reset_single_function_counters "
    "pg_stat_reset_single_table_counters pg_stat_reset_slru pg_stat_reset_subscription_stats "
    "pg_switch_wal"
)
OWN = words(f"{CHANCE} {LOOKING} {PASSING} {LASTING}")

ADVISORY = words(
    "pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared"
)
# They tie something to the server session that no DISCARD takes away.
TYING = words(
    "pg_backup_start pg_copy_logical_replication_slot pg_copy_physical_replication_slot "
    "pg_create_logical_replication_slot pg_create_physical_replication_slot "
    "pg_replication_origin_session_setup"
)


def _notify(effects: Effects, _call: Node) -> None:
    effects.refuse(f"pg_notify() is not available here: {SHARED}", WRITE_ROWS)


def _seed(effects: Effects, _call: Node) -> None:
    effects.pin("setseed", closes=True)


def _signal(effects: Effects, _call: Node) -> None:
    hint = "cancel the statement from the program that runs it, or let it reach its time limit"
    effects.refuse(f"signals are not available here: {SHARED}", hint, NOT_SUPPORTED)
    effects.processes = effects.signals = True


def _ask(effects: Effects, _call: Node) -> None:
    effects.processes = True


def _advisory(effects: Effects, _call: Node) -> None:
    effects.pin("advisory lock")


def _tie(effects: Effects, _call: Node) -> None:
    effects.pin("replication or backup", closes=True)


def _move(effects: Effects, _call: Node) -> None:
    effects.sequences = True


def _look(effects: Effects, _call: Node) -> None:
    effects.reads_sequences = True


SPECIAL: dict[str, Callable[[Effects, Node], None]] = {
    "set_config": set_config,
    "pg_notify": _notify,
    "setseed": _seed,
    "nextval": _move,
    "setval": _move,
    "currval": _look,
    "lastval": _look,
    **dict.fromkeys(ADVISORY, _advisory),
    **dict.fromkeys(TYING, _tie),
    **dict.fromkeys(SIGNALS, _signal),
    ASKING: _ask,
}
IDENTITY = frozenset(("current_user", "session_user", "system_user", "getpgusername"))
SEEN = frozenset(SPECIAL) | IDENTITY


def note_function(effects: Effects, call: Node, form: str, *, fixed: bool) -> None:
    """Add what one call of a function may do."""
    names = [part.get("String", {}).get("sval", "") for part in call.get("funcname", [])]
    if len(names) > 1 and names[-2] != "pg_catalog":  # a database's name may stand before it
        effects.hide()
        return
    name = names[-1] if names else ""
    if name in IDENTITY:
        note_call(effects, call, name, form, fixed=fixed)
    elif name in SPECIAL:
        SPECIAL[name](effects, call)
    elif name not in OWN and name not in effects.harmless:
        effects.hide()
