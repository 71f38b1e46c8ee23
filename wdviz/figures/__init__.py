"""Results as Plotly figures: no state, no input or output, no JAX, no Streamlit."""
