"""Pictures and clips of skeletons."""
