"""Models, one file each: pure functions of parameters, buffers and inputs."""
