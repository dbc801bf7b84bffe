"""Real servers for the tests, each in a throwaway directory, on loopback, at free ports; or those that there are."""
