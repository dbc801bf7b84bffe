"""The client: starts, queries and watches instances, and sends signals and messages."""
