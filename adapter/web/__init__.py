"""What the HTTP faces share. Each face is a package of its own."""
