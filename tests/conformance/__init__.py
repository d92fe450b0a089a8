"""tus 1.0.0 over plain sockets against the real service, named after the protocol's clauses."""
