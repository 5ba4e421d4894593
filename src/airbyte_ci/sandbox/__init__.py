"""Commands in a sandbox: runc, namespaces, system calls, network, mounts and limits."""
