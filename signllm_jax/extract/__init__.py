"""Video to `.pose`: a driver here, and a worker that runs in an environment of its own."""
