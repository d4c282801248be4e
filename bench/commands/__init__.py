"""The subcommands of `dgbench`, a module for each group of them: options, and what they print."""
