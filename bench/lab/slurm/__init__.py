"""A real Slurm with several nodes on one machine: on loopback, or on the hosts of a lab."""
