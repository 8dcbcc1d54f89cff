"""The bundled demonstration model: what it is trained on, how, and how well it does."""
