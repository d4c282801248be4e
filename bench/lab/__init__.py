"""A cluster in a box: hosts that are network namespaces, joined by links of a known rate and delay."""
