"""One package per platform; none of them knows another."""
