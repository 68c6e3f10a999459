"""An open phone: our folder on it, what is set there while it measures, and who may measure."""
