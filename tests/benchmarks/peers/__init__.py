"""What other libraries are measured with, in an environment of their own (`make bench-peers`)."""
