"""What third parties test their own parts with. Nothing here is imported by the engine itself."""
