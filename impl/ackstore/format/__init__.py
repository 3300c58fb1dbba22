"""What every byte on the disk means."""
