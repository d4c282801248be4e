"""The commands of `deepgalaxy`, one module each, with `add(subparsers)` that says what it takes and what it runs."""
