"""What callers use: start instances, read and watch them, send signals and messages."""
