"""See what weight decay does to a neural network: training kernels, experiments, figures and the app around them."""

import os

# Read by XLA when JAX first uses a device, so set before any module here imports JAX. Each run stays on its own core (many
# runs go side by side), and programs this small gain nothing from the higher, slower-to-compile optimisation levels.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=1")
