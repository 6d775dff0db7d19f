"""What time alone does, one module for each kind of subject."""
