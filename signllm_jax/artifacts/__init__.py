"""What a run leaves behind: groups, work directories, exports."""
