"""The built-in skills. They use only `from bot import …`, and have no privileges over anybody else's."""
