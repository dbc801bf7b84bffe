"""What runs instances: poll the log, apply records, commit, run tasks, fire timers."""
