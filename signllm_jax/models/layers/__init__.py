"""Neural layers: einsum with logical axes."""
