"""The Aerospike store: what is its own, beside the contract."""
