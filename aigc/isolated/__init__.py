"""Model files of strangers, checked and run in a process that holds no credentials."""
