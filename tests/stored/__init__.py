"""What is stored: bytes of today, and of a build before the first release, kept as files."""
