"""A process that does nothing but run a worker: signals, a watchdog, the garbage collector."""
