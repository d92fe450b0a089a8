"""From received bytes to a registered, signed and described exhibit."""
