"""What a teacher adds to a training: soft labels and feature maps."""
