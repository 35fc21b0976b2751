"""What is kept: the journal (the account), the history, small settings. Each in a file of its own."""
