"""What every floor above stands on: errors, names, settings, files."""
