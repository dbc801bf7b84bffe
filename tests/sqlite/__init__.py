"""What is particular to the backend on one file: faults of the disk, and writes that are torn."""
