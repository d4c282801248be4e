"""What N workers would do: first-principles times of a step, with intervals. Pure functions on NumPy, no files."""
