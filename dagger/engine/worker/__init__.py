"""The worker: polls the log, applies records, commits, runs tasks, and fires timers."""
