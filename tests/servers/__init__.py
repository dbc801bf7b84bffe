"""Real servers for tests: started where they are installed, or those that the environment names."""
