"""The machine: processes, log files, addresses, memory, and what a look at it finds; no engine."""
