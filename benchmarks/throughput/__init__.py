"""What a training costs beside the bare loop that it stands for."""
