"""What the command line and the service refuse or cannot do themselves."""

from custody.errors import EvidenceError


class PortInUse(EvidenceError):
    """Another program listens on this address."""

    code = "port-in-use"
