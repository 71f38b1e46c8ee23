"""How fast the kernel, the experiments and the pages are: `make bench`."""
